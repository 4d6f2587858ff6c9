// The services that dialplan asks how things are: edges and capf.

#ifndef SALLYPORT_SERVICES_DIALPLAN_IO_NEIGHBOURS_H_
#define SALLYPORT_SERVICES_DIALPLAN_IO_NEIGHBOURS_H_

#include <cstddef>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "sallyport/common/config/v1/client_config.pb.h"
#include "sallyport/common/config/v1/server_config.pb.h"
#include "sallyport/signaling_edge/v1/peer_state.pb.h"
#include "services/dialplan/core/plan.h"
#include "services/dialplan/core/security_facts.h"

namespace sallyport::dialplan {

// All that asks blocks, for no longer than its time; nothing is remembered but
// which edges there are and the certificates that they show, which a thread of
// its own keeps up to date. Thread-safe.
class Neighbours {
 public:
  struct Options {
    std::vector<common::config::v1::ClientConfig> edges;
    common::config::v1::ClientConfig capf;      // no target: none
    absl::Duration timeout = absl::Seconds(2);  // of one question
    absl::Duration survey_interval = absl::Seconds(5);
  };

  // INVALID_ARGUMENT if our TLS files are unusable.
  static absl::StatusOr<std::unique_ptr<Neighbours>> Create(
      const common::config::v1::ServerConfig& own, Options options);
  ~Neighbours();
  Neighbours(const Neighbours&) = delete;
  Neighbours& operator=(const Neighbours&) = delete;

  size_t edge_count() const { return edges_.size(); }

  // What each edge says, in the order of the configuration; with how it sees
  // the peers of `tenant` ("tenants/t"), or with none if that is empty. Edges
  // are asked side by side.
  std::vector<EdgeFact> AskEdges(const std::string& tenant) const;

  // The tenant's CallManager-trust at capf.
  TrustFact AskTrust(const std::string& tenant, absl::Time now) const;

  // CheckPeer of one edge. What it says; UNAVAILABLE if it cannot be reached.
  absl::StatusOr<signaling_edge::v1::CheckPeerResponse> CheckPeer(
      size_t edge, const signaling_edge::v1::CheckPeerRequest& request,
      absl::Duration timeout) const;

  // The instances as they were found last, a few seconds ago at most.
  EdgeSurvey LastSurvey() const;

 private:
  struct Edge;
  struct Capf;

  explicit Neighbours(Options options);
  EdgeFact AskEdge(const Edge& edge, const std::string& tenant) const;
  void Survey();

  const Options options_;
  std::vector<std::unique_ptr<Edge>> edges_;
  std::unique_ptr<Capf> capf_;  // null: none
  mutable absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  EdgeSurvey survey_ ABSL_GUARDED_BY(mutex_);
  std::thread surveyor_;  // last: it uses all of the above
};

}  // namespace sallyport::dialplan

#endif  // SALLYPORT_SERVICES_DIALPLAN_IO_NEIGHBOURS_H_
