// The audit record as a file of JSON lines, for whoever keeps it elsewhere.
//
// The store holds the chain and commits it with every change; this copy is
// written and synced before the change's result goes out, so what is outside
// of us is never ahead of either.

#ifndef SALLYPORT_SERVICES_CAPF_IO_AUDIT_FILE_H_
#define SALLYPORT_SERVICES_CAPF_IO_AUDIT_FILE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/capf/core/audit_record.h"
#include "services/capf/io/enrollment_store.h"
#include "services/common/net/unique_fd.h"

namespace sallyport::capf {

// {"sequence":1,"time":"...","event":"...","actor":"...","subject":"...",
//  "details":"...","previous_hash":"...","hash":"..."} and a newline.
std::string AuditLine(const AuditRecord& record);

// Thread-compatible.
class AuditFile {
 public:
  // Opens the file for appending, mode 0600. A half line at its end, from a
  // kill, is cut. FAILED_PRECONDITION, reason AUDIT_MISMATCH, if its last line
  // is not the record that `store` has under that number: one of the two was
  // changed, or they are not of the same installation.
  static absl::StatusOr<std::unique_ptr<AuditFile>> Open(
      const std::string& path, EnrollmentStore& store);

  // Writes every record that the file lacks, and syncs it. UNAVAILABLE, reason
  // AUDIT_UNAVAILABLE, if it cannot; the next call catches up.
  absl::Status Sync(EnrollmentStore& store);
  // The same, for who has just stored `records`: reads none of them again.
  absl::Status Append(const std::vector<AuditRecord>& records,
                      EnrollmentStore& store);

  int64_t sequence() const { return sequence_; }

 private:
  absl::Status Write(const std::vector<AuditRecord>& records);

  AuditFile(UniqueFd fd, int64_t sequence, int64_t size)
      : fd_(std::move(fd)), sequence_(sequence), size_(size) {}

  UniqueFd fd_;
  int64_t sequence_;  // last one that is durable in the file
  int64_t size_;      // of the whole lines
};

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_IO_AUDIT_FILE_H_
