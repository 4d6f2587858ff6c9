// Brings plans, trust and certificates into force at all loops as they change.
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_IO_CONFIG_FEED_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_IO_CONFIG_FEED_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "services/common/digit_analysis/region_plan.h"
#include "services/common/net/event_loop.h"
#include "services/common/tls/tls_trace.h"
#include "services/signaling_edge/io/dialplan_client.h"
#include "services/signaling_edge/io/edge_loop.h"
#include "services/signaling_edge/io/loop_set.h"
#include "services/signaling_edge/io/own_certificate.h"
#include "services/signaling_edge/io/start_mode.h"
#include "services/signaling_edge/io/task_thread.h"
#include "services/signaling_edge/io/tls_contexts.h"
#include "services/signaling_edge/io/trust_client.h"

namespace sallyport::signaling_edge {

// What became of our own certificate.
struct CertificateNotice {
  // CERTIFICATE_IN_USE, SELF_SIGNED_CERTIFICATE_MADE,
  // OWN_CERTIFICATE_NOT_FOUND or OWN_CERTIFICATE_INVALID.
  std::string reason;
  std::string summary;
};

// Plans are compiled and certificates read on a thread of its own; only the
// finished thing goes to the loops. What is said to be in force is so at all of
// them. Start and destruction are for while the loops do not run; all else is
// Thread-safe.
class ConfigFeed {
 public:
  struct Options {
    DialplanClient::Options dialplan;  // callbacks are set here
    TrustClient::Options trust;        // likewise
    TlsFileSet tls;
    bool has_tls = false;  // there are files to read
    absl::Duration refresh_interval = absl::Seconds(5);
    std::string instance;  // as of EdgeOptions
    // Trust is in force. On the loop that had it last.
    std::function<void(EdgeLoop&)> on_trust_active;
    // Our certificate is another one (UM-111), or is missing or invalid
    // (UM-60). On a loop.
    std::function<void(EdgeLoop&, const CertificateNotice&)> on_certificate;
    // UMRecyclerConfig.xml; empty: there is none (UM-103).
    std::string um_recycler_config_file;
    // The first plan is in force; what it has decided, and whether our
    // certificate can be had (UM-101, UM-102). On a loop.
    std::function<void(EdgeLoop&, const StartMode::Decision& decision,
                       bool has_certificate)>
        on_started;
  };

  // An error if our certificates or the fixed trust cannot be used. A plan or
  // trust on disk is in force with a loop's first turn. `loops` outlive it.
  static absl::StatusOr<std::unique_ptr<ConfigFeed>> Start(LoopSet& loops,
                                                           Options options);
  ~ConfigFeed();

  DialplanClient::Status dialplan() const { return dialplan_->status(); }
  TrustClient::Status trust() const { return trust_->status(); }
  // When what is in force came into force.
  absl::Time plan_time() const;
  absl::Time trust_time() const;
  // Since when our certificate is the one that is shown (UM-56).
  absl::Time certificate_time() const;
  // Why the streams or the files fail; OK while they do not.
  absl::Status dialplan_error() const;
  absl::Status trust_error() const;
  absl::Status tls_error() const;
  // How the edge has started.
  const StartMode& start_mode() const { return *start_mode_; }
  // What of TLS is logged.
  TlsTrace& tls_trace() { return *options_.tls.trace; }

 private:
  ConfigFeed(LoopSet& loops, Options options);
  absl::Status Init();
  void OnPlan(PlanUpdate update);
  void OnTrust(std::shared_ptr<const TrustBundle> trust);
  void PostTask(std::function<void()> task);
  // On the thread: makes contexts of the files and the newest trust.
  absl::Status Rebuild();
  // Which certificate to show; what is new about it goes to `notices`.
  absl::StatusOr<TlsFileSet> ChooseFiles(
      std::vector<CertificateNotice>& notices);
  void NoteUse(const OwnCertificate& own,
               std::vector<CertificateNotice>& notices);
  void NoteFault(const absl::Status& fault,
                 std::vector<CertificateNotice>& notices);
  void CheckFiles();

  LoopSet& loops_;
  Options options_;
  EventLoop::TimerId timer_;
  mutable absl::Mutex mutex_;
  absl::Time plan_time_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
  absl::Time trust_time_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
  absl::Time certificate_time_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
  absl::Status dialplan_error_ ABSL_GUARDED_BY(mutex_);
  absl::Status trust_error_ ABSL_GUARDED_BY(mutex_);
  absl::Status tls_error_ ABSL_GUARDED_BY(mutex_);
  // Of the thread, and before it begins of Init().
  RegionPlan plan_;
  std::shared_ptr<const TrustBundle> newest_trust_;
  std::string fingerprint_;
  std::string shown_sha256_;  // our certificate
  absl::Status told_fault_;   // of the configured one
  absl::Time judge_again_ = absl::InfiniteFuture();
  std::unique_ptr<StartMode> start_mode_;
  TlsContexts contexts_;
  uint64_t generation_ = 0;
  bool started_ = false;
  std::unique_ptr<TaskThread> thread_;
  std::unique_ptr<TrustClient> trust_;
  std::unique_ptr<DialplanClient> dialplan_;
};

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_IO_CONFIG_FEED_H_
