#include "services/dialplan/rpc/security_methods.h"

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "services/common/config/proto_time.h"
#include "services/common/digit_analysis/plan_defaults.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"
#include "services/dialplan/core/links.h"
#include "services/dialplan/core/readiness.h"
#include "services/dialplan/core/threats.h"

namespace sallyport::dialplan {
namespace {

namespace pb = ::sallyport::dialplan::v1;
namespace edge_pb = ::sallyport::signaling_edge::v1;

constexpr size_t kWorkers = 4;
constexpr size_t kMaxWaiting = 64;
// An edge gives up a check after 8 s, and callers wait 10 s.
constexpr absl::Duration kCheckTimeout = absl::Milliseconds(9000);
// A plan is in force at every edge within a second.
constexpr absl::Duration kPlanTravel = absl::Milliseconds(1500);
constexpr int kMaxPage = 1000;
constexpr int kDefaultPage = 50;

absl::Status Missing(const std::string& name) {
  return MakeError(absl::StatusCode::kNotFound, "RESOURCE_NOT_FOUND",
                   name + " does not exist");
}

absl::Status BadField(const std::string& field, const std::string& reason,
                      const std::string& what) {
  return MakeError(absl::StatusCode::kInvalidArgument, reason,
                   absl::StrCat(field, ": ", what), {{field, what}});
}

template <typename Entry>
const Entry* FindByName(const std::vector<Entry>& entries,
                        const std::string& name) {
  for (const Entry& entry : entries) {
    if (entry.name == name) return &entry;
  }
  return nullptr;
}

template <typename Out>
void AddFindings(const std::vector<SecurityFinding>& findings, Out& out) {
  for (const SecurityFinding& finding : findings) {
    pb::SecurityFinding& shown = *out.add_findings();
    shown.set_component(finding.component);
    shown.set_good(finding.good);
    shown.set_detail(finding.detail);
  }
}

using TryPeer = std::function<absl::StatusOr<edge_pb::CheckPeerResponse>(
    const edge_pb::CheckPeerRequest&)>;

// Servers of one group that are tried at a time.
constexpr size_t kServersAtOnce = 8;

template <typename Out>
void FillSteps(const edge_pb::CheckPeerResponse& answer, Out& out) {
  out.set_succeeded(answer.succeeded());
  out.set_reason(answer.reason());
  for (const edge_pb::CheckStep& step : answer.steps()) {
    pb::ConnectivityStep& one = *out.add_steps();
    one.set_step(step.step());
    one.set_succeeded(step.succeeded());
    one.set_detail(step.detail());
  }
}

absl::Status TestOne(const edge_pb::CheckPeerRequest& check,
                     const TryPeer& try_one,
                     pb::TestConnectivityResponse& response) {
  SP_ASSIGN_OR_RETURN(const edge_pb::CheckPeerResponse answer, try_one(check));
  FillSteps(answer, response);
  return absl::OkStatus();
}

// Each server of the group, as a call could go to any of them. Not OK if the
// edge could not try one.
absl::Status TestServers(const PeerEntry& peer, const ServerGroupEntry& group,
                         const edge_pb::CheckPeerRequest& check,
                         const TryPeer& try_one,
                         pb::TestConnectivityResponse& response) {
  std::vector<const ServerGroupMember*> members;
  for (const ServerGroupMember& member : group.members) {
    members.push_back(&member);
  }
  std::stable_sort(
      members.begin(), members.end(),
      [](const auto* a, const auto* b) { return a->priority < b->priority; });
  const auto port_of = [&](const ServerGroupMember& member) {
    return peer.transport == SipTransport::kTls ? member.secure_port
                                                : member.port;
  };
  std::vector<absl::StatusOr<edge_pb::CheckPeerResponse>> answers(
      members.size(), absl::UnknownError("not tried"));
  for (size_t first = 0; first < members.size(); first += kServersAtOnce) {
    std::vector<std::thread> threads;
    for (size_t i = first; i < std::min(members.size(), first + kServersAtOnce);
         ++i) {
      threads.emplace_back([&, i] {
        edge_pb::CheckPeerRequest one = check;
        one.set_server(members[i]->host);
        one.set_server_port(port_of(*members[i]));
        answers[i] = try_one(one);
      });
    }
    for (std::thread& thread : threads) thread.join();
  }
  for (const auto& answer : answers) SP_RETURN_IF_ERROR(answer.status());
  response.set_succeeded(true);
  for (size_t i = 0; i < members.size(); ++i) {
    pb::ServerConnectivity& server = *response.add_servers();
    server.set_host(members[i]->host);
    server.set_port(port_of(*members[i]));
    server.set_disabled(members[i]->disabled);
    FillSteps(*answers[i], server);
    if (server.succeeded() || server.disabled() || !response.succeeded()) {
      continue;
    }
    response.set_succeeded(false);
    response.set_reason(server.reason());
  }
  return absl::OkStatus();
}

}  // namespace

SecurityMethods::SecurityMethods(const PlanBoard& board, PlanResolver& resolver,
                                 const Neighbours& neighbours,
                                 const std::string& key,
                                 size_t self_signed_peers)
    : board_(board),
      resolver_(resolver),
      neighbours_(neighbours),
      tokens_(key),
      self_signed_peers_(self_signed_peers) {
  for (size_t i = 0; i < kWorkers; ++i) {
    workers_.emplace_back([this] { Work(); });
  }
}

SecurityMethods::~SecurityMethods() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  for (std::thread& worker : workers_) worker.join();
}

void SecurityMethods::Later(Job job, Done done) {
  {
    absl::MutexLock lock(&mutex_);
    if (jobs_.size() < kMaxWaiting) {
      jobs_.push_back(
          [job = std::move(job), done = std::move(done)] { done(job()); });
      return;
    }
  }
  done(MakeError(absl::StatusCode::kResourceExhausted, "READ_QUEUE_FULL",
                 "too many reports are asked for at once"));
}

void SecurityMethods::Work() {
  const auto ready = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return stopping_ || !jobs_.empty();
  };
  while (true) {
    std::function<void()> job;
    {
      absl::MutexLock lock(&mutex_);
      mutex_.Await(absl::Condition(&ready));
      if (jobs_.empty()) return;
      job = std::move(jobs_.front());
      jobs_.pop_front();
    }
    job();
  }
}

void SecurityMethods::TestConnectivity(
    const pb::TestConnectivityRequest& request,
    pb::TestConnectivityResponse* response, Done done) {
  Later([this, &request, response] { return Test(request, *response); },
        std::move(done));
}

void SecurityMethods::GetSecurityReadiness(
    const pb::GetSecurityReadinessRequest& request,
    pb::SecurityReadiness* response, Done done) {
  Later([this, &request, response] { return Readiness(request, *response); },
        std::move(done));
}

void SecurityMethods::ListThreats(const pb::ListThreatsRequest& request,
                                  pb::ListThreatsResponse* response,
                                  Done done) {
  Later([this, &request, response] { return Threats(request, *response); },
        std::move(done));
}

void SecurityMethods::ListLinks(const pb::ListLinksRequest& request,
                                pb::ListLinksResponse* response, Done done) {
  Later([this, &request, response] { return Links(request, *response); },
        std::move(done));
}

SecurityFacts SecurityMethods::Ask(const std::string& tenant) const {
  SecurityFacts facts;
  facts.now = absl::Now();
  facts.self_signed_peers = self_signed_peers_;
  std::thread trust(
      [&] { facts.trust = neighbours_.AskTrust(tenant, facts.now); });
  facts.edges = neighbours_.AskEdges(tenant);
  trust.join();
  return facts;
}

// -------------------------------------------------------------- connectivity

absl::Status SecurityMethods::Test(
    const pb::TestConnectivityRequest& request,
    pb::TestConnectivityResponse& response) const {
  const absl::Time start = absl::Now();
  const std::string tenant(TenantOf(request.peer()));
  const std::string prefix = tenant + "/peers/";
  if (tenant.empty() || request.peer().rfind(prefix, 0) != 0) {
    return BadField("peer", "NAME_INVALID",
                    "must be tenants/{tenant}/peers/{peer}");
  }
  if (request.media_secured() && !request.secured()) {
    return BadField("media_secured", "VALUE_CONFLICT",
                    "SRTP is never asked for in clear: set secured as well");
  }
  int64_t version = 0;
  SP_ASSIGN_OR_RETURN(const auto resolver, resolver_.Current(tenant, &version));
  const PlanSnapshot& snapshot = resolver->snapshot();
  const PeerEntry* peer = FindByName(snapshot.peers, request.peer());
  if (peer == nullptr) return Missing(request.peer());
  if (neighbours_.edge_count() == 0) {
    return MakeError(absl::StatusCode::kFailedPrecondition,
                     "EDGES_NOT_CONFIGURED",
                     "dialplan is configured to ask no edge: set edges");
  }
  const DialPlanEntry* plan = FindByName(snapshot.dial_plans, peer->dial_plan);
  edge_pb::CheckPeerRequest check;
  check.set_peer(request.peer());
  check.set_secured(request.secured());
  check.set_media_secured(request.media_secured());
  check.set_phone(request.phone());
  const std::vector<EdgeFact> edges = neighbours_.AskEdges("");
  std::string unreachable;
  bool matched = false;
  for (size_t i = 0; i < edges.size(); ++i) {
    const EdgeFact& edge = edges[i];
    if (!request.edge().empty()) {
      if (edge.instance != request.edge() && edge.target != request.edge()) {
        continue;
      }
    } else if (plan != nullptr && !plan->edges.empty() && edge.error.empty() &&
               std::find(plan->edges.begin(), plan->edges.end(),
                         edge.instance) == plan->edges.end()) {
      continue;
    }
    matched = true;
    if (!edge.error.empty()) {
      absl::StrAppend(&unreachable, unreachable.empty() ? "" : "; ",
                      edge.target, ": ", edge.error);
      continue;
    }
    const auto try_one = [&](const edge_pb::CheckPeerRequest& one) {
      auto answer =
          neighbours_.CheckPeer(i, one, kCheckTimeout - (absl::Now() - start));
      // What was just written is on its way to the edge.
      while (!answer.ok() &&
             (ReasonOf(answer.status()) == "PEER_NOT_FOUND" ||
              ReasonOf(answer.status()) == "NO_CONFIGURATION") &&
             absl::Now() - start < kPlanTravel) {
        absl::SleepFor(absl::Milliseconds(100));
        answer = neighbours_.CheckPeer(i, one,
                                       kCheckTimeout - (absl::Now() - start));
      }
      return answer;
    };
    const auto* group = FindByName(snapshot.server_groups, peer->server_group);
    const absl::Status tested =
        group == nullptr ? TestOne(check, try_one, response)
                         : TestServers(*peer, *group, check, try_one, response);
    if (!tested.ok()) {
      absl::StrAppend(&unreachable, unreachable.empty() ? "" : "; ",
                      edge.instance, ": ", ReasonOf(tested));
      continue;
    }
    response.set_edge(edge.instance);
    *response.mutable_latency() = ToProto(absl::Now() - start);
    return absl::OkStatus();
  }
  if (!matched) {
    return MakeError(absl::StatusCode::kNotFound, "EDGE_NOT_FOUND",
                     request.edge().empty()
                         ? "no edge that can be asked serves its dial plan"
                         : "no edge that can be asked has this name");
  }
  return MakeError(absl::StatusCode::kUnavailable, "EDGE_UNREACHABLE",
                   absl::StrCat("no edge made the test: ", unreachable));
}

// ------------------------------------------------------------------- reports

absl::Status SecurityMethods::Readiness(
    const pb::GetSecurityReadinessRequest& request,
    pb::SecurityReadiness& response) const {
  const std::string tenant(TenantOf(request.name()));
  if (tenant.empty() || request.name().rfind(tenant + "/dialPlans/", 0) != 0) {
    return BadField("name", "NAME_INVALID",
                    "must be tenants/{tenant}/dialPlans/{dial_plan}");
  }
  int64_t version = 0;
  SP_ASSIGN_OR_RETURN(const auto resolver, resolver_.Current(tenant, &version));
  const PlanSnapshot& snapshot = resolver->snapshot();
  const DialPlanEntry* plan = FindByName(snapshot.dial_plans, request.name());
  if (plan == nullptr) return Missing(request.name());
  response.set_name(request.name());
  response.set_ready(true);
  for (const ReadinessStep& step :
       AssessReadiness(snapshot, *plan, Ask(tenant))) {
    pb::ReadinessStep& out = *response.add_steps();
    out.set_title(step.title);
    out.set_done(step.done());
    out.set_detail(step.Detail());
    AddFindings(step.findings, out);
    if (!step.done()) response.set_ready(false);
  }
  return absl::OkStatus();
}

template <typename Request>
absl::StatusOr<SecurityMethods::Listing> SecurityMethods::Begin(
    const char* what, const Request& request) const {
  if (request.parent().empty() ||
      TenantOf(request.parent()) != request.parent()) {
    return BadField("parent", "NAME_INVALID", "must be tenants/{tenant}");
  }
  if (request.page_size() < 0 || request.page_size() > kMaxPage) {
    return BadField("page_size", "VALUE_OUT_OF_RANGE", "must be 0 to 1000");
  }
  Listing listing;
  listing.name = absl::StrCat(what, "\n", request.parent());
  SP_ASSIGN_OR_RETURN(listing.after,
                      tokens_.Read(listing.name, request.page_token()));
  if (board_.Find(request.parent()) == nullptr) {
    return Missing(request.parent());
  }
  int64_t version = 0;
  SP_ASSIGN_OR_RETURN(listing.resolver,
                      resolver_.Current(request.parent(), &version));
  listing.limit = request.page_size() == 0 ? kDefaultPage : request.page_size();
  return listing;
}

absl::Status SecurityMethods::Threats(const pb::ListThreatsRequest& request,
                                      pb::ListThreatsResponse& response) const {
  SP_ASSIGN_OR_RETURN(const Listing listing, Begin("threats", request));
  const SecurityFacts facts = Ask(request.parent());
  bool begun = listing.after.empty();
  for (const ThreatRow& row :
       AssessThreats(listing.resolver->snapshot(), facts)) {
    if (!begun) {
      begun = row.title == listing.after;
      continue;
    }
    if (response.threats_size() == listing.limit) {
      response.set_next_page_token(tokens_.Make(
          listing.name, response.threats(listing.limit - 1).title()));
      break;
    }
    pb::Threat& out = *response.add_threats();
    out.set_title(row.title);
    out.set_mitigation(row.mitigation);
    out.set_active(row.active());
    out.set_detail(row.Detail());
    *out.mutable_check_time() = ToProto(facts.now);
    AddFindings(row.findings, out);
  }
  return absl::OkStatus();
}

absl::Status SecurityMethods::Links(const pb::ListLinksRequest& request,
                                    pb::ListLinksResponse& response) const {
  SP_ASSIGN_OR_RETURN(const Listing listing, Begin("links", request));
  response.set_preference(std::string(LinkPreference()));
  bool begun = listing.after.empty();
  for (const LinkRow& row : LinksOf(listing.resolver->snapshot())) {
    if (!begun) {
      begun = row.component == listing.after;
      continue;
    }
    if (response.links_size() == listing.limit) {
      response.set_next_page_token(tokens_.Make(
          listing.name, response.links(listing.limit - 1).component()));
      break;
    }
    pb::Link& out = *response.add_links();
    out.set_kind(std::string(row.kind));
    out.set_component(row.component);
    out.set_signalling(static_cast<pb::LinkMethod>(row.signalling));
    out.set_media(static_cast<pb::LinkMethod>(row.media));
    out.set_scenario(std::string(row.scenario));
    out.set_detail(row.detail);
  }
  return absl::OkStatus();
}

}  // namespace sallyport::dialplan
