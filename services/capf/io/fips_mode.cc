#include "services/capf/io/fips_mode.h"

#include <unistd.h>

#include <cerrno>
#include <map>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/capf/core/phone_cluster.h"
#include "services/capf/io/durable_file.h"
#include "services/common/log/log.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"

namespace sallyport::capf {
namespace {

constexpr size_t kPage = 1000;
// Named of each kind; the count tells the rest.
constexpr size_t kNamed = 5;

// Counts what is found, and names the first.
class Finding {
 public:
  explicit Finding(std::string what) : what_(std::move(what)) {}
  void Add(const std::string& name) {
    if (++count_ <= kNamed) {
      absl::StrAppend(&names_, names_.empty() ? "" : ", ", name);
    }
  }
  void Tell(std::vector<std::string>& out) const {
    if (count_ == 0) return;
    out.push_back(absl::StrCat(count_, " ", what_, ": ", names_,
                               count_ > kNamed ? ", ..." : ""));
  }

 private:
  const std::string what_;
  size_t count_ = 0;
  std::string names_;
};

}  // namespace

absl::Status RegenerateKeys(const std::string& folder,
                            const std::string& mode) {
  const std::string file = folder + "/fips_keys_of";
  SP_ASSIGN_OR_RETURN(const std::optional<std::string> of, ReadSmallFile(file));
  if (of == mode) return absl::OkStatus();
  if (of || mode == "on") {
    // The certificate first: a key without one gets another.
    for (const char* const name :
         {"/capf_listener.pem", "/capf_listener.key"}) {
      if (unlink((folder + name).c_str()) != 0 && errno != ENOENT) {
        return MakeError(absl::StatusCode::kUnavailable, "KEY_NOT_REMOVED",
                         absl::StrCat(name, " of the other mode stays"));
      }
    }
    LogInfo("keys of our ports are made anew for the mode",
            {{"fips_mode", mode}});
  }
  return ReplaceDurableFile(file, mode);
}

absl::StatusOr<std::vector<std::string>> ForbiddenInStore(
    EnrollmentStore& store) {
  Finding null_strings("operations by null string");
  Finding old_phones("phones whose model verifies SHA-1 only");
  SP_ASSIGN_OR_RETURN(const std::vector<std::string> tenants,
                      store.ListClusters());
  std::map<std::string, PhoneCluster> clusters;
  for (const std::string& tenant : tenants) {
    SP_ASSIGN_OR_RETURN(const std::optional<PhoneCluster> cluster,
                        store.GetCluster(tenant));
    if (cluster) clusters[tenant] = *cluster;
  }
  Page page;
  page.limit = kPage;
  while (true) {
    SP_ASSIGN_OR_RETURN(const std::vector<Enrollment> phones,
                        store.ListEnrollments(page));
    for (const Enrollment& phone : phones) {
      if (phone.operation != Operation::kNone &&
          phone.mode == AuthenticationMode::kByNullString) {
        null_strings.Add(phone.device_name);
      }
    }
    if (phones.size() < kPage) break;
    page.after = phones.back().name;
  }
  for (const auto& [tenant, cluster] : clusters) {
    SP_ASSIGN_OR_RETURN(const std::vector<PhoneLists> phones,
                        store.ListPhoneLists(tenant));
    for (const PhoneLists& phone : phones) {
      if (DigestFor(cluster, phone.model) == SignedFileDigest::kSha1) {
        old_phones.Add(phone.device);
      }
    }
  }
  std::vector<std::string> out;
  null_strings.Tell(out);
  old_phones.Tell(out);
  return out;
}

}  // namespace sallyport::capf
