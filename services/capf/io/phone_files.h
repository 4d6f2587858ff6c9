// The files that phones fetch.

#ifndef SALLYPORT_SERVICES_CAPF_IO_PHONE_FILES_H_
#define SALLYPORT_SERVICES_CAPF_IO_PHONE_FILES_H_

#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "services/capf/core/phone_config.h"
#include "services/capf/core/published_list.h"
#include "services/capf/core/trust_list_plan.h"
#include "services/capf/io/ledger.h"
#include "services/capf/io/trust_list_publisher.h"
#include "services/common/crypto/digest.h"

namespace sallyport::capf {

// The trust lists that are out. A device's own name ("CTLSEP....tlv") gives
// the general file. Thread-safe.
class TrustListFiles {
 public:
  using Content = std::shared_ptr<const std::string>;
  struct File {
    std::string tenant;
    std::string name;
    Content content;
    absl::Time update_time;
  };

  void Put(const PublishedList& list);
  // Null if there is none.
  Content Find(std::string_view file_name) const;
  std::vector<File> All() const;

 private:
  mutable absl::Mutex mutex_;
  std::map<std::string, File, std::less<>> files_ ABSL_GUARDED_BY(mutex_);
};

// The device that a configuration file is for, and whether it is the signed
// form: "SEP001122334455.cnf.xml", with or without ".sgn".
struct PhoneConfigRequest {
  std::string device;
  bool is_signed = false;

  bool operator==(const PhoneConfigRequest&) const = default;
};
std::optional<PhoneConfigRequest> ParsePhoneConfigName(
    std::string_view file_name);

// Makes configuration files as they are asked for, so that a million phones
// cost no memory. Signed ones are kept, as far as there is room for them: who
// asks for the same again costs no signature. Thread-compatible.
class PhoneConfigMaker {
 public:
  struct Options {
    std::vector<CallManagerNode> call_managers;
    std::vector<CapfNode> capf;
    bool mixed_mode = false;
    size_t max_kept = 4096;  // signed files; each about 3 kB
  };

  // Both must outlive this object.
  PhoneConfigMaker(const Options& options, Ledger& ledger,
                   TrustListPublisher& publisher)
      : options_(options), ledger_(ledger), publisher_(publisher) {}

  // NOT_FOUND, reason PHONE_FILE_NOT_FOUND, if the name is of no device that
  // has an enrollment, or one of another tenant; an empty tenant is any. In a
  // mixed cluster a phone speaks TLS once it has an LSC; without one it is told
  // to come for it.
  absl::StatusOr<std::string> Make(std::string_view tenant,
                                   std::string_view file_name);

  uint64_t signatures() const { return signatures_; }

 private:
  struct Signed {
    Sha256Digest payload;
    std::string file;
    std::list<std::string>::iterator age;
  };

  absl::StatusOr<std::string> CertificateHash(const std::string& serial);
  absl::StatusOr<std::string> Sign(std::string_view file_name,
                                   const std::string& xml);

  const Options options_;
  Ledger& ledger_;
  TrustListPublisher& publisher_;
  absl::flat_hash_map<std::string, Signed> kept_;  // by file name
  std::list<std::string> ages_;                    // the oldest first
  uint64_t signatures_ = 0;
};

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_IO_PHONE_FILES_H_
