#include "services/capf/io/fips_mode.h"

#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <fstream>
#include <map>
#include <optional>
#include <sstream>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "services/capf/core/phone_cluster.h"
#include "services/capf/io/durable_file.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/bytes/hex.h"
#include "services/common/crypto/digest.h"
#include "services/common/log/log.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"

namespace sallyport::capf {
namespace {

constexpr char kProgram[] = "/proc/self/exe";
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

absl::StatusOr<int> FailedStarts::Add() {
  SP_ASSIGN_OR_RETURN(const std::optional<std::string> text,
                      ReadSmallFile(file_));
  int count = 0;
  if (text) std::from_chars(text->data(), text->data() + text->size(), count);
  ++count;
  SP_RETURN_IF_ERROR(ReplaceDurableFile(file_, absl::StrCat(count)));
  return count;
}

absl::Status FailedStarts::Clear() {
  SP_ASSIGN_OR_RETURN(const std::optional<std::string> text,
                      ReadSmallFile(file_));
  if (!text || *text == "0") return absl::OkStatus();
  return ReplaceDurableFile(file_, "0");
}

absl::StatusOr<std::string> ProgramSha256() {
  std::ifstream in(kProgram, std::ios::binary);
  // Whole, and not octet by octet: it is tens of megabytes, at each start.
  std::ostringstream whole;
  whole << in.rdbuf();
  const std::string program = std::move(whole).str();
  if (program.empty()) {
    return MakeError(absl::StatusCode::kUnavailable, "FIPS_INTEGRITY",
                     "the program cannot be read");
  }
  return HexEncode(Sha256(AsBytes(program)));
}

absl::Status CheckIntegrity(const std::string& integrity_file) {
  if (integrity_file.empty()) return absl::OkStatus();
  SP_ASSIGN_OR_RETURN(const std::optional<std::string> text,
                      ReadSmallFile(integrity_file));
  SP_ASSIGN_OR_RETURN(const std::string sha256, ProgramSha256());
  const std::string wanted = absl::AsciiStrToLower(
      text.value_or("").substr(0, text.value_or("").find_first_of(" \n")));
  if (wanted == sha256) return absl::OkStatus();
  return MakeError(absl::StatusCode::kFailedPrecondition, "FIPS_INTEGRITY",
                   "the program is not the one of its integrity file");
}

absl::Status RunPowerUpTests(const PowerUpOptions& options) {
  FailedStarts failed_starts(options.failed_starts_file);
  absl::Status status;
  if (const std::string failed = FailedTests(RunSelfTests(options.broken));
      !failed.empty()) {
    status = MakeError(absl::StatusCode::kFailedPrecondition,
                       "FIPS_SELF_TEST_FAILED",
                       absl::StrCat("self tests failed: ", failed));
  } else {
    status = CheckIntegrity(options.integrity_file);
  }
  if (status.ok()) return failed_starts.Clear();
  SP_ASSIGN_OR_RETURN(const int count, failed_starts.Add());
  LogError("FIPS mode: the service halts",
           {{"status", status}, {"failed_starts", count}});
  if (count < kMaxFailedStarts) return status;
  LogError(
      "FIPS mode: this is no transient fault; deploy a verified image "
      "again. The service stays halted until it is ended",
      {{"failed_starts", count}});
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  int signal = 0;
  sigwait(&signals, &signal);
  return status;
}

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
