// The record of what was issued and changed, without any secret.

#ifndef SALLYPORT_SERVICES_CREDENTIAL_ISSUER_IO_AUDIT_LOG_H_
#define SALLYPORT_SERVICES_CREDENTIAL_ISSUER_IO_AUDIT_LOG_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "services/common/log/log_fields.h"
#include "services/common/metrics/metrics.h"
#include "services/common/net/unique_fd.h"
#include "services/common/sql/group_commit.h"

namespace sallyport::credential_issuer {

// One thing that happened. What is not known of it is empty.
struct AuditRecord {
  std::string id;  // ascends with time; unique
  absl::Time time;
  std::string tenant;
  std::string credential_id;
  std::string subject;  // opaque
  std::string line;     // the whole record: a JSON object without newline
};

// {"ts":...,"event":...,<fields>}.
std::string AuditLine(absl::Time now, std::string_view event,
                      std::initializer_list<LogField> fields);

// An id for a record of `time`: ids sort by time, and `tail` makes them unique
// among replicas.
std::string AuditId(absl::Time time, uint64_t tail);

// Which records are wanted; empty: any.
struct AuditQuery {
  std::string tenant;
  std::string credential_id;
  std::string subject;
  std::string before_id;  // those before this one
  size_t limit = 50;
};

// Where records go. Write is called by one thread at a time; the others are
// Thread-safe.
class AuditSink {
 public:
  virtual ~AuditSink() = default;

  // OK when all of them survive the loss of power.
  virtual absl::Status Write(absl::Span<const AuditRecord> records) = 0;
  // Newest first. FAILED_PRECONDITION with AUDIT_NOT_LISTED when records
  // cannot be found again here.
  virtual absl::StatusOr<std::vector<AuditRecord>> List(
      const AuditQuery& query) = 0;
  // Removes records of before `oldest`, some at a time.
  virtual absl::Status Prune(absl::Time oldest) = 0;
};

// Writes the records of all threads, as many at once as came while the disk
// was busy with the last ones. Thread-safe.
class AuditLog {
 public:
  using Done = std::function<void(const absl::Status&)>;

  // Requests that may wait for the disk.
  static constexpr size_t kMaxWaiting = 8192;

  // Both outlive it.
  AuditLog(AuditSink& sink, MetricsRegistry& metrics);

  // Calls `done` once: with OK, on the log's own thread, when the records are
  // durable; otherwise with UNAVAILABLE, reason AUDIT_UNAVAILABLE, and they
  // may not be. With RESOURCE_EXHAUSTED, reason AUDIT_OVERLOADED, at once and
  // here, when too many wait.
  void Append(std::vector<AuditRecord> records, Done done);
  // The same, and waits.
  absl::Status AppendAndWait(AuditRecord record);

 private:
  struct Job {
    std::vector<AuditRecord> records;
    Done done;
  };

  void Write(std::vector<Job> batch);

  AuditSink& sink_;
  const CounterFamily failures_;
  const HistogramFamily seconds_;
  GroupCommit<Job> commit_;  // last: its thread uses all of the above
};

// Appends lines to a file of mode 0600, which may be renamed away (logrotate):
// then a new one is made.
class FileAuditSink final : public AuditSink {
 public:
  // UNAVAILABLE when the file cannot be opened.
  static absl::StatusOr<std::unique_ptr<FileAuditSink>> Open(
      const std::string& path);

  absl::Status Write(absl::Span<const AuditRecord> records) override;
  absl::StatusOr<std::vector<AuditRecord>> List(
      const AuditQuery& query) override;
  absl::Status Prune(absl::Time oldest) override;

 private:
  explicit FileAuditSink(std::string path) : path_(std::move(path)) {}

  absl::Status Reopen();

  const std::string path_;
  UniqueFd fd_;
};

}  // namespace sallyport::credential_issuer

#endif  // SALLYPORT_SERVICES_CREDENTIAL_ISSUER_IO_AUDIT_LOG_H_
