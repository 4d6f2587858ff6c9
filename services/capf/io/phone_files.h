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
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "services/capf/core/published_list.h"
#include "services/capf/core/signed_file_header.h"
#include "services/capf/core/trust_list_plan.h"
#include "services/capf/io/ledger.h"
#include "services/capf/io/trust_list_publisher.h"
#include "services/common/crypto/digest.h"

namespace sallyport::capf {

// The trust lists that are out, in all their forms. Thread-safe.
class TrustListFiles {
 public:
  using Content = std::shared_ptr<const std::string>;
  struct File {
    std::string tenant;
    std::string name;  // the general one
    Content content;
    absl::Time update_time;
  };

  // All forms of one list, that of unknown phones first; those before go.
  void Put(const std::vector<PublishedList>& forms);
  // That with this digest, else that of unknown phones. Null if there is none.
  Content Find(const std::string& tenant, TrustListKind kind,
               std::optional<SignedFileDigest> digest = std::nullopt) const;
  // Those of unknown phones, in order of tenant and name.
  std::vector<File> All() const;

 private:
  struct Forms {
    std::vector<std::pair<SignedFileDigest, Content>> contents;
    absl::Time update_time;
  };
  mutable absl::Mutex mutex_;
  std::map<std::pair<std::string, TrustListKind>, Forms> files_
      ABSL_GUARDED_BY(mutex_);
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

// Finds or makes the files of one phone as it asks for them, so that a million
// phones cost no memory. Signed ones are kept, as far as there is room for
// them: who asks for the same again costs no signature. Thread-compatible.
class PhoneFileMaker {
 public:
  struct Options {
    uint16_t capf_port = 3804;  // where phones find CAPF
    size_t max_kept = 4096;     // signed files; each about 3 kB
  };

  // All must outlive this object.
  PhoneFileMaker(const Options& options, Ledger& ledger,
                 TrustListPublisher& publisher, const TrustListFiles& files)
      : options_(options),
        ledger_(ledger),
        publisher_(publisher),
        files_(files) {}

  // A trust list by a device's name is its tenant's, in the form that its
  // model can verify; by the general name, or of a device that nobody knows,
  // that of `tenant`, or of the default tenant if that is empty.
  //
  // A configuration file is made. In a mixed cluster a phone speaks TLS once it
  // has an LSC; without one it is told to come for it.
  //
  // NOT_FOUND, reason PHONE_FILE_NOT_FOUND, if there is no such list, or the
  // device has no enrollment, or one of another tenant; an empty tenant is any.
  absl::StatusOr<TrustListFiles::Content> Make(const std::string& tenant,
                                               std::string_view file_name);

  uint64_t signatures() const { return signatures_; }

 private:
  struct Phone;
  struct Signed {
    Sha256Digest payload;
    std::string file;
    std::list<std::string>::iterator age;
  };

  absl::StatusOr<Phone> FindPhone(const std::string& device);
  absl::StatusOr<TrustListFiles::Content> FindList(
      const std::string& tenant, const TrustListRequest& request);
  absl::StatusOr<std::string> CertificateHash(const std::string& serial);
  absl::StatusOr<std::string> Sign(const std::string& tenant,
                                   std::string_view file_name,
                                   const std::string& xml,
                                   SignedFileDigest digest);

  const Options options_;
  Ledger& ledger_;
  TrustListPublisher& publisher_;
  const TrustListFiles& files_;
  // By tenant, file name and digest.
  absl::flat_hash_map<std::string, Signed> kept_;
  std::list<std::string> ages_;  // the oldest first
  uint64_t signatures_ = 0;
};

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_IO_PHONE_FILES_H_
