// TestConnectivity, GetSecurityReadiness, ListThreats and ListLinks.

#ifndef SALLYPORT_SERVICES_DIALPLAN_RPC_SECURITY_METHODS_H_
#define SALLYPORT_SERVICES_DIALPLAN_RPC_SECURITY_METHODS_H_

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "sallyport/dialplan/v1/readiness.pb.h"
#include "services/dialplan/io/neighbours.h"
#include "services/dialplan/io/plan_board.h"
#include "services/dialplan/rpc/page_token.h"
#include "services/dialplan/rpc/plan_resolver.h"

namespace sallyport::dialplan {

// They wait for other services, so they answer from threads of their own, of
// which there are few: RESOURCE_EXHAUSTED, reason READ_QUEUE_FULL, if too many
// wait. Both messages must live until `done`. Thread-safe.
class SecurityMethods {
 public:
  using Done = std::function<void(const absl::Status&)>;

  // All must outlive this object. `key` as of PageTokens; `self_signed_peers`
  // as of SecurityFacts.
  SecurityMethods(const PlanBoard& board, PlanResolver& resolver,
                  const Neighbours& neighbours, const std::string& key,
                  size_t self_signed_peers);
  // Finishes what waits.
  ~SecurityMethods();
  SecurityMethods(const SecurityMethods&) = delete;
  SecurityMethods& operator=(const SecurityMethods&) = delete;

  void TestConnectivity(
      const ::sallyport::dialplan::v1::TestConnectivityRequest& request,
      ::sallyport::dialplan::v1::TestConnectivityResponse* response, Done done);
  void GetSecurityReadiness(
      const ::sallyport::dialplan::v1::GetSecurityReadinessRequest& request,
      ::sallyport::dialplan::v1::SecurityReadiness* response, Done done);
  void ListThreats(const ::sallyport::dialplan::v1::ListThreatsRequest& request,
                   ::sallyport::dialplan::v1::ListThreatsResponse* response,
                   Done done);
  void ListLinks(const ::sallyport::dialplan::v1::ListLinksRequest& request,
                 ::sallyport::dialplan::v1::ListLinksResponse* response,
                 Done done);

 private:
  using Job = std::function<absl::Status()>;

  // A page of a list about one tenant.
  struct Listing {
    std::string name;   // of the list, for its tokens
    std::string after;  // the last row of the page before; empty: none
    int limit = 0;
    std::shared_ptr<const Resolver> resolver;
  };
  template <typename Request>
  absl::StatusOr<Listing> Begin(const char* what, const Request& request) const;

  void Later(Job job, Done done);
  void Work();
  SecurityFacts Ask(const std::string& tenant) const;
  absl::Status Test(
      const ::sallyport::dialplan::v1::TestConnectivityRequest& request,
      ::sallyport::dialplan::v1::TestConnectivityResponse& response) const;
  absl::Status Readiness(
      const ::sallyport::dialplan::v1::GetSecurityReadinessRequest& request,
      ::sallyport::dialplan::v1::SecurityReadiness& response) const;
  absl::Status Threats(
      const ::sallyport::dialplan::v1::ListThreatsRequest& request,
      ::sallyport::dialplan::v1::ListThreatsResponse& response) const;
  absl::Status Links(
      const ::sallyport::dialplan::v1::ListLinksRequest& request,
      ::sallyport::dialplan::v1::ListLinksResponse& response) const;

  const PlanBoard& board_;
  PlanResolver& resolver_;
  const Neighbours& neighbours_;
  const PageTokens tokens_;
  const size_t self_signed_peers_;
  absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::deque<std::function<void()>> jobs_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::thread> workers_;  // last: they use all of the above
};

}  // namespace sallyport::dialplan

#endif  // SALLYPORT_SERVICES_DIALPLAN_RPC_SECURITY_METHODS_H_
