#include "services/common/rpc/tls_files.h"

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "services/common/config/proto_time.h"
#include "services/common/status/error_reason.h"

namespace sallyport {
namespace {

void CheckPem(const char* field, const std::string& path, const char* marker,
              std::vector<FieldViolation>* violations) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream text;
  if (in) text << in.rdbuf();
  if (!in) {
    violations->push_back({field, absl::StrCat("cannot read ", path)});
  } else if (!absl::StrContains(text.str(), marker)) {
    violations->push_back(
        {field, absl::StrCat(path, " holds no ", marker, " in PEM")});
  }
}

}  // namespace

absl::StatusOr<TlsFilesProvider> WatchTlsFiles(
    const common::config::v1::TlsFiles& files, absl::Duration refresh) {
  std::vector<FieldViolation> violations;
  CheckPem("certificate_file", files.certificate_file(), "BEGIN CERTIFICATE",
           &violations);
  CheckPem("key_file", files.key_file(), "PRIVATE KEY", &violations);
  CheckPem("ca_file", files.ca_file(), "BEGIN CERTIFICATE", &violations);
  if (!violations.empty()) {
    std::string message;
    for (const FieldViolation& v : violations) {
      absl::StrAppend(&message, message.empty() ? "" : "; ", v.description);
    }
    return MakeError(absl::StatusCode::kInvalidArgument, "TLS_FILE_UNUSABLE",
                     message, violations);
  }
  const int64_t seconds = std::max<int64_t>(1, absl::ToInt64Seconds(refresh));
  return TlsFilesProvider(
      std::make_shared<grpc::experimental::FileWatcherCertificateProvider>(
          files.key_file(), files.certificate_file(), files.ca_file(),
          static_cast<unsigned>(std::min<int64_t>(seconds, 86400))));
}

absl::StatusOr<TlsFilesProvider> WatchTlsFiles(
    const common::config::v1::ServerConfig& config) {
  return WatchTlsFiles(config.tls(), FromProtoOr(config.tls_refresh_interval(),
                                                 absl::Seconds(5)));
}

}  // namespace sallyport
