#include "services/capf/io/ledger.h"

#include <iterator>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/synchronization/notification.h"
#include "services/capf/io/change_events.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"

namespace sallyport::capf {
namespace {

// Every phone that may be connected can have a change waiting.
constexpr size_t kMaxQueue = 50000;
constexpr size_t kMaxBatch = 512;

}  // namespace

Ledger::Ledger(EnrollmentStore& store, AuditFile& audit, const Clock& clock)
    : store_(store), clock_(clock), audit_(audit) {
  if (const auto version = store.TrustVersion(); version.ok()) {
    absl::MutexLock lock(&mutex_);
    told_version_ = version_ = *version;
  }
  writer_.emplace(GroupCommit<Job>::Options{.max_queue = kMaxQueue,
                                            .max_batch = kMaxBatch,
                                            .lets_others_run = true},
                  [this](std::vector<Job> batch) { Write(std::move(batch)); });
}

void Ledger::OnTrustChange(std::function<void()> callback) {
  absl::MutexLock lock(&mutex_);
  on_trust_change_ = std::move(callback);
}

void Ledger::OnEvents(std::function<void()> callback) {
  absl::MutexLock lock(&mutex_);
  on_events_ = std::move(callback);
}

absl::Status Ledger::Submit(Job& job) {
  if (writer_->Submit(job)) return absl::OkStatus();
  return MakeError(absl::StatusCode::kResourceExhausted, "TOO_BUSY",
                   "too many changes are waiting");
}

absl::Status Ledger::Apply(const StoreChange& change) {
  absl::Status result;
  absl::Notification done;
  Job job{.change = &change,
          .own = nullptr,
          .done =
              [&](const absl::Status& status) {
                result = status;
                done.Notify();
              },
          .result = absl::OkStatus()};
  SP_RETURN_IF_ERROR(Submit(job));
  done.WaitForNotification();
  return result;
}

void Ledger::ApplyAsync(std::shared_ptr<StoreChange> change, Done done) {
  const StoreChange* const what = change.get();
  Job job{.change = what,
          .own = std::move(change),
          .done = std::move(done),
          .result = absl::OkStatus()};
  const absl::Status submitted = Submit(job);
  if (!submitted.ok()) job.done(submitted);
}

absl::Status Ledger::Check() {
  absl::MutexLock lock(&mutex_);
  return audit_.Sync(store_);
}

absl::Status Ledger::CatchUp() {
  if (!audit_lags_) return absl::OkStatus();
  SP_RETURN_IF_ERROR(audit_.Sync(store_));
  audit_lags_ = false;
  return absl::OkStatus();
}

absl::Status Ledger::WriteAll(std::vector<Job>& batch) {
  SP_RETURN_IF_ERROR(CatchUp());
  std::vector<const StoreChange*> changes;
  changes.reserve(batch.size());
  const absl::Time now = clock_.Now();
  for (Job& job : batch) {
    std::vector<CertificateEvent> events = EventsOf(*job.change, now);
    if (!events.empty()) {
      // Of a caller who waits: it stays as it is.
      if (job.own == nullptr) {
        job.own = std::make_shared<StoreChange>(*job.change);
      }
      std::move(events.begin(), events.end(),
                std::back_inserter(job.own->insert_events));
      job.change = job.own.get();
    }
    changes.push_back(job.change);
  }
  // Until the file has it all. Also if the store cannot say what it did.
  audit_lags_ = true;
  SP_ASSIGN_OR_RETURN(const StoreApplied applied,
                      store_.ApplyAll(changes, now));
  version_ = applied.trust_version;
  const absl::Status recorded = audit_.Append(applied.audit, store_);
  if (recorded.ok()) audit_lags_ = false;
  for (size_t i = 0; i < changes.size(); ++i) {
    made_events_ = made_events_ || (applied.results[i].ok() &&
                                    !changes[i]->insert_events.empty());
  }
  for (size_t i = 0; i < batch.size(); ++i) {
    batch[i].result = applied.results[i].ok() ? recorded : applied.results[i];
  }
  return absl::OkStatus();
}

void Ledger::Write(std::vector<Job> batch) {
  std::function<void()> tell;
  std::function<void()> tell_events;
  {
    absl::MutexLock lock(&mutex_);
    if (batch.empty()) {
      // Another replica's records belong into this file too.
      audit_lags_ = true;
      CatchUp().IgnoreError();
      const absl::StatusOr<int64_t> version = store_.TrustVersion();
      if (version.ok()) version_ = *version;
    } else {
      const absl::Status status = WriteAll(batch);
      if (!status.ok()) {
        for (Job& job : batch) job.result = status;
      }
    }
    // A revocation that is committed holds, whatever the audit file does.
    if (std::exchange(made_events_, false)) tell_events = on_events_;
    if (version_ != told_version_) {
      told_version_ = version_;
      tell = on_trust_change_;
    }
  }
  if (tell) tell();
  if (tell_events) tell_events();
  for (const Job& job : batch) job.done(job.result);
}

}  // namespace sallyport::capf
