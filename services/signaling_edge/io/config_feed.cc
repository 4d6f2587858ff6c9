#include "services/signaling_edge/io/config_feed.h"

#include <atomic>
#include <memory>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "services/common/bytes/hex.h"
#include "services/common/bytes/string_view.h"
#include "services/common/digit_analysis/plan_index.h"
#include "services/common/log/log.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"
#include "services/signaling_edge/io/tls_trace_log.h"

namespace sallyport::signaling_edge {
namespace {

// A source that sends faster than plans compile waits in its own stream.
constexpr size_t kTasks = 1024;

}  // namespace

ConfigFeed::ConfigFeed(LoopSet& loops, Options options)
    : loops_(loops),
      options_(std::move(options)),
      timer_(loops.first().event_loop().AddTimer([this](MonoTime now) {
        PostTask([this] {
          start_mode_->Refresh();
          if (options_.has_tls) CheckFiles();
        });
        loops_.first().event_loop().SetTimer(timer_,
                                             now + options_.refresh_interval);
      })) {}

absl::StatusOr<std::unique_ptr<ConfigFeed>> ConfigFeed::Start(LoopSet& loops,
                                                              Options options) {
  options.tls.trace = NewTlsTraceLog();
  auto out = absl::WrapUnique(new ConfigFeed(loops, std::move(options)));
  SP_RETURN_IF_ERROR(out->Init());
  return out;
}

absl::Status ConfigFeed::Init() {
  SP_ASSIGN_OR_RETURN(
      start_mode_,
      StartMode::Create(options_.um_recycler_config_file, options_.instance));
  thread_ = std::make_unique<TaskThread>(kTasks);
  options_.trust.on_trust = [this](std::shared_ptr<const TrustBundle> trust,
                                   bool /*from_cache*/) {
    OnTrust(std::move(trust));
  };
  options_.trust.on_state = [this](bool connected, const absl::Status& why) {
    LogInfo(connected ? "capf is reached" : "capf is lost", {{"status", why}});
    absl::MutexLock lock(&mutex_);
    trust_error_ = connected ? absl::OkStatus() : why;
  };
  SP_ASSIGN_OR_RETURN(trust_, TrustClient::Create(options_.trust));
  // The first generation is made here, so that a wrong file ends the start.
  absl::Notification done;
  absl::Status first;
  PostTask([&] {
    started_ = true;
    first = newest_trust_ == nullptr ? absl::OkStatus() : Rebuild();
    done.Notify();
  });
  done.WaitForNotification();
  SP_RETURN_IF_ERROR(first);

  options_.dialplan.on_plan = [this](PlanUpdate update, bool /*from_cache*/) {
    OnPlan(std::move(update));
  };
  options_.dialplan.on_state = [this](bool connected, const absl::Status& why) {
    LogInfo(connected ? "dialplan is reached" : "dialplan is lost",
            {{"status", why}});
    absl::MutexLock lock(&mutex_);
    dialplan_error_ = connected ? absl::OkStatus() : why;
  };
  dialplan_ = std::make_unique<DialplanClient>(options_.dialplan);
  EventLoop& events = loops_.first().event_loop();
  events.SetTimer(timer_, events.clock().MonoNow() + options_.refresh_interval);
  return absl::OkStatus();
}

ConfigFeed::~ConfigFeed() {
  // The streams first, as they post tasks. Tasks of ours that a loop has not
  // run are never run: it has stopped.
  loops_.first().event_loop().RemoveTimer(timer_);
  dialplan_.reset();
  trust_.reset();
  thread_.reset();
}

void ConfigFeed::PostTask(std::function<void()> task) {
  while (!thread_->Post(task).ok()) absl::SleepFor(absl::Milliseconds(5));
}

void ConfigFeed::OnPlan(PlanUpdate update) {
  PostTask([this, update = std::move(update)] {
    auto resolver = plan_.Apply(update);
    if (!resolver.ok()) {
      // dialplan checks before it publishes, so the fault is one of ours. The
      // plan in force stays.
      LogError("a plan could not be compiled",
               {{"version", update.version}, {"error", resolver.status()}});
      return;
    }
    const std::shared_ptr<const Resolver> plan = *std::move(resolver);
    bool first = false;
    const StartMode::Decision start = start_mode_->OnPlan(plan->index(), first);
    const auto use = [plan, listeners = start_mode_->ListenersFor(
                                plan->index())](EdgeLoop& loop) {
      loop.core().SetStartMode(listeners);
      loop.SetPlan(plan);
    };
    loops_.PostAll(use, [this, plan, start, first](EdgeLoop& loop) {
      {
        absl::MutexLock lock(&mutex_);
        plan_time_ = loop.wall_now();
      }
      const PlanIndex& now = plan->index();
      LogInfo("a plan is in force", {{"version", now.version()}});
      dialplan_->ReportActive(now.version(), now.checksum());
      if (first && options_.on_started) {
        options_.on_started(loop, start, loop.contexts().server != nullptr);
      }
    });
  });
}

void ConfigFeed::OnTrust(std::shared_ptr<const TrustBundle> trust) {
  PostTask([this, trust = std::move(trust)] {
    newest_trust_ = trust;
    if (!started_) return;
    if (const absl::Status status = Rebuild(); !status.ok()) {
      LogError("our certificates cannot be read", {{"error", status}});
    }
  });
}

absl::Status ConfigFeed::Rebuild() {
  absl::Status status;
  std::vector<CertificateNotice> notices;
  if (options_.has_tls) {
    fingerprint_ = FingerprintOf(options_.tls);
    const auto files = ChooseFiles(notices);
    auto made = files.ok()
                    ? MakeTlsContexts(*files, newest_trust_, ++generation_)
                    : absl::StatusOr<TlsContexts>(files.status());
    status = made.status();
    // With files that cannot be read the last contexts stay; whom they let in
    // is judged by the new trust all the same.
    if (made.ok()) contexts_ = *std::move(made);
  }
  {
    absl::MutexLock lock(&mutex_);
    tls_error_ = status;
  }
  // In force once the last loop has judged its last connection by it.
  const auto left = std::make_shared<std::atomic<size_t>>(loops_.size());
  const auto judged = [this, left, trust = newest_trust_,
                       notices = std::move(notices)](EdgeLoop& loop) {
    if (left->fetch_sub(1) > 1) return;
    {
      absl::MutexLock lock(&mutex_);
      trust_time_ = loop.wall_now();
    }
    for (const CertificateNotice& notice : notices) {
      if (options_.on_certificate) options_.on_certificate(loop, notice);
    }
    if (options_.on_trust_active) options_.on_trust_active(loop);
    trust_->ReportActive(trust->version());
  };
  loops_.PostAll(
      [trust = newest_trust_, contexts = contexts_, judged](EdgeLoop& loop) {
        loop.SetTrust(trust, contexts, [&loop, judged] { judged(loop); });
      });
  return status;
}

void ConfigFeed::NoteUse(const OwnCertificate& own,
                         std::vector<CertificateNotice>& notices) {
  const CertificateInfo& info = own.info;
  const std::string sha256 = HexEncode(info.sha256);
  if (sha256 == shown_sha256_) return;
  shown_sha256_ = sha256;
  const std::string sha1 = HexEncode(info.sha1);
  const std::string until =
      absl::FormatTime("%Y-%m-%d", info.not_after, absl::UTCTimeZone());
  LogInfo("our certificate is in use", {{"subject", info.subject},
                                        {"issuer", info.issuer},
                                        {"serial", info.serial_hex},
                                        {"sha1", sha1},
                                        {"sha256", sha256},
                                        {"until", until},
                                        {"self_signed", info.self_signed},
                                        {"made_here", own.self_signed}});
  notices.push_back(
      {own.made_now ? "SELF_SIGNED_CERTIFICATE_MADE" : "CERTIFICATE_IN_USE",
       absl::StrCat("our certificate ", info.subject, " by ", info.issuer,
                    ", serial ", info.serial_hex, ", SHA-1 ", sha1, ", until ",
                    until, own.self_signed ? ": every peer must import it" : "",
                    " is in use")});
  absl::MutexLock lock(&mutex_);
  certificate_time_ = absl::Now();
}

void ConfigFeed::NoteFault(const absl::Status& fault,
                           std::vector<CertificateNotice>& notices) {
  if (fault == told_fault_) return;
  told_fault_ = fault;
  if (fault.ok()) return;
  LogWarning("our certificate cannot be used as it should", {{"error", fault}});
  notices.push_back({ReasonOf(fault), std::string(StdView(fault.message()))});
}

absl::StatusOr<TlsFileSet> ConfigFeed::ChooseFiles(
    std::vector<CertificateNotice>& notices) {
  TlsFileSet files = options_.tls;
  const auto own =
      ChooseOwnCertificate({files.certificate_file, files.key_file,
                            files.self_signed_file, files.self_signed_names},
                           absl::Now());
  NoteFault(own.ok() ? own->configured : own.status(), notices);
  SP_RETURN_IF_ERROR(own.status());
  NoteUse(*own, notices);
  // One that is told to be invalid stays so until its file changes.
  judge_again_ = own->configured.ok() || own->self_signed
                     ? own->info.not_after
                     : absl::InfiniteFuture();
  files.certificate_file = own->certificate_file;
  files.key_file = own->key_file;
  return files;
}

void ConfigFeed::CheckFiles() {
  if (newest_trust_ == nullptr ||
      (FingerprintOf(options_.tls) == fingerprint_ &&
       absl::Now() <= judge_again_)) {
    return;
  }
  const absl::Status status = Rebuild();
  if (status.ok()) {
    LogInfo("our certificates were read again", {{"generation", generation_}});
  } else {
    LogError("our certificates cannot be read", {{"error", status}});
  }
}

absl::Time ConfigFeed::plan_time() const {
  absl::MutexLock lock(&mutex_);
  return plan_time_;
}

absl::Time ConfigFeed::trust_time() const {
  absl::MutexLock lock(&mutex_);
  return trust_time_;
}

absl::Time ConfigFeed::certificate_time() const {
  absl::MutexLock lock(&mutex_);
  return certificate_time_;
}

absl::Status ConfigFeed::dialplan_error() const {
  absl::MutexLock lock(&mutex_);
  return dialplan_error_;
}

absl::Status ConfigFeed::trust_error() const {
  absl::MutexLock lock(&mutex_);
  return trust_error_;
}

absl::Status ConfigFeed::tls_error() const {
  absl::MutexLock lock(&mutex_);
  return tls_error_;
}

}  // namespace sallyport::signaling_edge
