// The record of what was issued and changed, without any secret.

#ifndef SALLYPORT_SERVICES_CREDENTIAL_ISSUER_IO_AUDIT_LOG_H_
#define SALLYPORT_SERVICES_CREDENTIAL_ISSUER_IO_AUDIT_LOG_H_

#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/common/log/log_fields.h"
#include "services/common/net/unique_fd.h"

namespace sallyport::credential_issuer {

// One JSON object a record. Thread-safe.
class AuditLog {
 public:
  virtual ~AuditLog() = default;

  // `line` is a JSON object without newline. When this returns OK it survives
  // a crash of the process.
  virtual absl::Status Write(std::string_view line) = 0;
};

// {"ts":...,"event":...,<fields>}.
std::string AuditLine(absl::Time now, std::string_view event,
                      std::initializer_list<LogField> fields);

// Appends to a file of mode 0600, one write(2) a line.
class FileAuditLog final : public AuditLog {
 public:
  // UNAVAILABLE when the file cannot be opened.
  static absl::StatusOr<std::unique_ptr<FileAuditLog>> Open(
      const std::string& path);

  absl::Status Write(std::string_view line) override;

 private:
  explicit FileAuditLog(UniqueFd fd) : fd_(std::move(fd)) {}

  const UniqueFd fd_;
};

}  // namespace sallyport::credential_issuer

#endif  // SALLYPORT_SERVICES_CREDENTIAL_ISSUER_IO_AUDIT_LOG_H_
