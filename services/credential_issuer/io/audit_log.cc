#include "services/credential_issuer/io/audit_log.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "services/common/bytes/string_view.h"

namespace sallyport::credential_issuer {

std::string AuditLine(absl::Time now, std::string_view event,
                      std::initializer_list<LogField> fields) {
  std::string out = "{";
  AppendJsonField({"ts", now}, &out);
  out.push_back(',');
  AppendJsonField({"event", event}, &out);
  for (const LogField& field : fields) {
    out.push_back(',');
    AppendJsonField(field, &out);
  }
  out.push_back('}');
  return out;
}

absl::StatusOr<std::unique_ptr<FileAuditLog>> FileAuditLog::Open(
    const std::string& path) {
  UniqueFd fd(
      ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  if (!fd.valid()) {
    const absl::Status why = absl::ErrnoToStatus(errno, "open");
    return absl::UnavailableError(absl::StrCat(path, ": ", why.message()));
  }
  return std::unique_ptr<FileAuditLog>(new FileAuditLog(std::move(fd)));
}

absl::Status FileAuditLog::Write(std::string_view line) {
  const std::string whole = absl::StrCat(AbslView(line), "\n");
  // One write, so that lines of several threads do not mix.
  const ssize_t n = ::write(fd_.get(), whole.data(), whole.size());
  if (n == static_cast<ssize_t>(whole.size())) return absl::OkStatus();
  const absl::Status why = absl::ErrnoToStatus(n < 0 ? errno : EIO, "write");
  return absl::UnavailableError(why.message());
}

}  // namespace sallyport::credential_issuer
