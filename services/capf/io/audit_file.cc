#include "services/capf/io/audit_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "services/common/bytes/string_view.h"
#include "services/common/log/log_fields.h"
#include "services/common/net/errno_status.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"

namespace sallyport::capf {
namespace {

constexpr size_t kPage = 1000;
// More than any line of ours.
constexpr int64_t kTail = 64 * 1024;

absl::Status Unavailable(std::string_view call) {
  return MakeError(absl::StatusCode::kUnavailable, "AUDIT_UNAVAILABLE",
                   StdView(ErrnoStatus(errno, call).message()));
}

absl::Status Mismatch(std::string_view message) {
  return MakeError(absl::StatusCode::kFailedPrecondition, "AUDIT_MISMATCH",
                   message);
}

// The number at the start of a line of ours; 0 if it is none.
int64_t SequenceOf(std::string_view line) {
  constexpr std::string_view kStart = "{\"sequence\":";
  if (line.substr(0, kStart.size()) != kStart) return 0;
  int64_t sequence = 0;
  for (const char c : line.substr(kStart.size())) {
    if (c < '0' || c > '9' || sequence > (int64_t{1} << 56)) break;
    sequence = sequence * 10 + (c - '0');
  }
  return sequence;
}

}  // namespace

std::string AuditLine(const AuditRecord& record) {
  std::string line = "{";
  AppendJsonField({"sequence", record.sequence}, &line);
  for (const LogField& field :
       {LogField("time", record.time), LogField("event", record.event.event),
        LogField("actor", record.event.actor),
        LogField("subject", record.event.subject),
        LogField("details", record.event.details),
        LogField("previous_hash", record.previous_hash),
        LogField("hash", record.hash)}) {
    line += ',';
    AppendJsonField(field, &line);
  }
  line += "}\n";
  return line;
}

absl::StatusOr<std::unique_ptr<AuditFile>> AuditFile::Open(
    const std::string& path, EnrollmentStore& store) {
  std::error_code ignored;
  const std::filesystem::path folder =
      std::filesystem::path(path).parent_path();
  if (!folder.empty()) std::filesystem::create_directories(folder, ignored);
  UniqueFd fd(
      open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  if (!fd.valid()) return Unavailable("open audit file");
  struct stat info = {};
  if (fstat(fd.get(), &info) != 0) return Unavailable("stat audit file");

  // Only the end is looked at: the chain itself is checked in the store.
  const int64_t size = info.st_size;
  const int64_t from = size > kTail ? size - kTail : 0;
  std::string tail(static_cast<size_t>(size - from), '\0');
  if (pread(fd.get(), tail.data(), tail.size(), from) !=
      static_cast<ssize_t>(tail.size())) {
    return Unavailable("read audit file");
  }
  const size_t end = tail.rfind('\n');
  const size_t whole = end == std::string::npos ? 0 : end + 1;
  if (whole < tail.size()) {
    if (whole == 0 && from > 0) return Mismatch("the audit file has no lines");
    if (ftruncate(fd.get(), from + static_cast<int64_t>(whole)) != 0) {
      return Unavailable("cut audit file");
    }
    tail.resize(whole);
  }
  int64_t sequence = 0;
  if (!tail.empty()) {
    const size_t before = tail.rfind('\n', tail.size() - 2);
    const std::string line =
        tail.substr(before == std::string::npos ? 0 : before + 1);
    sequence = SequenceOf(line);
    SP_ASSIGN_OR_RETURN(const std::vector<AuditRecord> records,
                        store.ReadAudit(sequence - 1, 1));
    if (sequence == 0 || records.size() != 1 || AuditLine(records[0]) != line) {
      return Mismatch("the audit file does not end as the store says");
    }
  }
  std::unique_ptr<AuditFile> file(new AuditFile(
      std::move(fd), sequence, from + static_cast<int64_t>(tail.size())));
  SP_RETURN_IF_ERROR(file->Sync(store));
  return file;
}

absl::Status AuditFile::Write(const std::vector<AuditRecord>& records) {
  std::string lines;
  for (const AuditRecord& record : records) lines += AuditLine(record);
  std::string_view rest = lines;
  while (!rest.empty()) {
    const ssize_t n = write(fd_.get(), rest.data(), rest.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      const absl::Status status = Unavailable("write audit file");
      // Half a line is no line; the next call writes it whole.
      if (ftruncate(fd_.get(), size_) != 0) return Unavailable("cut audit");
      return status;
    }
    rest.remove_prefix(static_cast<size_t>(n));
  }
  if (fdatasync(fd_.get()) != 0) {
    const absl::Status status = Unavailable("sync audit file");
    // What is on the disk is unknown: the next call writes it again.
    if (ftruncate(fd_.get(), size_) != 0) return Unavailable("cut audit");
    return status;
  }
  size_ += static_cast<int64_t>(lines.size());
  sequence_ = records.back().sequence;
  return absl::OkStatus();
}

absl::Status AuditFile::Sync(EnrollmentStore& store) {
  while (true) {
    SP_ASSIGN_OR_RETURN(const std::vector<AuditRecord> records,
                        store.ReadAudit(sequence_, kPage));
    if (records.empty()) return absl::OkStatus();
    SP_RETURN_IF_ERROR(Write(records));
  }
}

absl::Status AuditFile::Append(const std::vector<AuditRecord>& records,
                               EnrollmentStore& store) {
  if (records.empty()) return absl::OkStatus();
  if (records.front().sequence != sequence_ + 1) return Sync(store);
  return Write(records);
}

}  // namespace sallyport::capf
