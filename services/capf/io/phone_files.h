// The files that phones fetch.

#ifndef SALLYPORT_SERVICES_CAPF_IO_PHONE_FILES_H_
#define SALLYPORT_SERVICES_CAPF_IO_PHONE_FILES_H_

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "services/capf/core/phone_config.h"
#include "services/capf/core/published_list.h"
#include "services/capf/core/trust_list_plan.h"
#include "services/capf/io/ledger.h"
#include "services/capf/io/trust_list_publisher.h"

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
// cost no memory. Thread-compatible.
class PhoneConfigMaker {
 public:
  struct Options {
    std::vector<CallManagerNode> call_managers;
    std::vector<CapfNode> capf;
    bool mixed_mode = false;
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

 private:
  absl::StatusOr<std::string> CertificateHash(const std::string& serial);

  const Options options_;
  Ledger& ledger_;
  TrustListPublisher& publisher_;
};

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_IO_PHONE_FILES_H_
