#include "services/credential_issuer/io/audit_log.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/synchronization/notification.h"
#include "services/common/bytes/string_view.h"
#include "services/common/log/log.h"
#include "services/common/status/error_reason.h"
#include "services/common/time/clock.h"
#include "services/common/time/mono_time.h"
#include "services/credential_issuer/io/metrics_table.h"

namespace sallyport::credential_issuer {
namespace {

// Requests whose records go to the disk together.
constexpr size_t kMaxBatch = 1024;

absl::Status FromErrno(const std::string& path, const char* doing) {
  const absl::Status why = absl::ErrnoToStatus(errno, doing);
  return absl::UnavailableError(absl::StrCat(path, ": ", why.message()));
}

}  // namespace

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

std::string AuditId(absl::Time time, uint64_t tail) {
  return absl::StrFormat("%014x%012x", absl::ToUnixMicros(time),
                         tail & 0xffffffffffff);
}

AuditLog::AuditLog(AuditSink& sink, MetricsRegistry& metrics)
    : sink_(sink),
      failures_(metrics.Counter(kAuditFailuresTotal)),
      seconds_(metrics.Histogram(kAuditWriteSeconds)),
      commit_({.max_queue = kMaxWaiting, .max_batch = kMaxBatch},
              [this](std::vector<Job> batch) { Write(std::move(batch)); }) {}

void AuditLog::Append(std::vector<AuditRecord> records, Done done) {
  Job job{std::move(records), std::move(done)};
  if (commit_.Submit(job)) return;
  failures_.Add(static_cast<double>(job.records.size()));
  job.done(MakeError(absl::StatusCode::kResourceExhausted, "AUDIT_OVERLOADED",
                     "too many records wait for the audit's disk"));
}

absl::Status AuditLog::AppendAndWait(AuditRecord record) {
  absl::Notification ready;
  absl::Status out;
  std::vector<AuditRecord> records;
  records.push_back(std::move(record));
  Append(std::move(records), [&](const absl::Status& status) {
    out = status;
    ready.Notify();
  });
  ready.WaitForNotification();
  return out;
}

void AuditLog::Write(std::vector<Job> batch) {
  if (batch.empty()) return;
  std::vector<AuditRecord> records;
  for (Job& job : batch) {
    for (AuditRecord& record : job.records) {
      records.push_back(std::move(record));
    }
  }
  const Clock& clock = Clock::Real();
  const MonoTime start = clock.MonoNow();
  absl::Status status = sink_.Write(records);
  seconds_.Observe(absl::ToDoubleSeconds(clock.MonoNow() - start));
  if (!status.ok()) {
    failures_.Add(static_cast<double>(records.size()));
    SALLYPORT_LOG_LIMITED(kError, "audit records not written",
                          {{"records", records.size()}, {"error", status}});
    status = MakeError(absl::StatusCode::kUnavailable, "AUDIT_UNAVAILABLE",
                       "the audit record could not be written");
  }
  for (const Job& job : batch) job.done(status);
}

absl::StatusOr<std::unique_ptr<FileAuditSink>> FileAuditSink::Open(
    const std::string& path) {
  std::unique_ptr<FileAuditSink> sink(new FileAuditSink(path));
  const absl::Status opened = sink->Reopen();
  if (!opened.ok()) return opened;
  return sink;
}

absl::Status FileAuditSink::Reopen() {
  struct stat open_one = {};
  struct stat named = {};
  if (fd_.valid() && ::fstat(fd_.get(), &open_one) == 0 &&
      ::stat(path_.c_str(), &named) == 0 && open_one.st_ino == named.st_ino &&
      open_one.st_dev == named.st_dev) {
    return absl::OkStatus();
  }
  UniqueFd fd(
      ::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  if (!fd.valid()) return FromErrno(path_, "open");
  fd_ = std::move(fd);
  return absl::OkStatus();
}

absl::Status FileAuditSink::Write(absl::Span<const AuditRecord> records) {
  const absl::Status opened = Reopen();
  if (!opened.ok()) return opened;
  std::string text;
  for (const AuditRecord& record : records) {
    absl::StrAppend(&text, record.line, "\n");
  }
  for (size_t done = 0; done < text.size();) {
    const ssize_t n =
        ::write(fd_.get(), text.data() + done, text.size() - done);
    if (n > 0) {
      done += static_cast<size_t>(n);
    } else if (errno != EINTR) {
      const absl::Status why = FromErrno(path_, "write");
      // What a full disk cut off must not run into the next record.
      if (done > 0) (void)!::write(fd_.get(), "\n", 1);
      return why;
    }
  }
  if (::fdatasync(fd_.get()) != 0) return FromErrno(path_, "sync");
  return absl::OkStatus();
}

absl::StatusOr<std::vector<AuditRecord>> FileAuditSink::List(
    const AuditQuery& /*query*/) {
  return MakeError(absl::StatusCode::kFailedPrecondition, "AUDIT_NOT_LISTED",
                   "the audit goes to audit_file: look there");
}

absl::Status FileAuditSink::Prune(absl::Time /*oldest*/) {
  return absl::OkStatus();
}

}  // namespace sallyport::credential_issuer
