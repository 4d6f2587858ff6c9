#include "services/dialplan/io/neighbours.h"

#include <algorithm>
#include <iterator>
#include <set>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "grpcpp/client_context.h"
#include "sallyport/capf/v1/capf_service.grpc.pb.h"
#include "sallyport/signaling_edge/v1/signaling_edge_service.grpc.pb.h"
#include "services/common/config/proto_time.h"
#include "services/common/rpc/client_channel.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_grpc.h"
#include "services/common/status/status_macros.h"

namespace sallyport::dialplan {
namespace {

namespace edge_pb = ::sallyport::signaling_edge::v1;
namespace capf_pb = ::sallyport::capf::v1;

constexpr int kPage = 1000;
constexpr absl::Duration kRetry = absl::Milliseconds(100);
constexpr absl::Duration kMaxBackoff = absl::Milliseconds(500);

void SetTimeout(grpc::ClientContext& context, absl::Duration timeout) {
  context.set_deadline(absl::ToChronoTime(absl::Now() + timeout));
}

// Asks again while the other side is not there, as a channel that waits before
// it connects anew says of one that has just come up.
template <typename Question>
absl::Status AskWithin(absl::Duration timeout, Question question) {
  const absl::Time give_up = absl::Now() + timeout;
  while (true) {
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(give_up));
    const absl::Status status = FromGrpc(question(&context));
    if (status.code() != absl::StatusCode::kUnavailable ||
        absl::Now() + kRetry >= give_up) {
      return status;
    }
    absl::SleepFor(kRetry);
  }
}

// For an operator: the reason, or else what gRPC says.
std::string TextOf(const absl::Status& status) {
  const std::string reason = ReasonOf(status);
  if (!reason.empty()) return reason;
  return absl::StatusCodeToString(status.code());
}

CertificateFact FactOf(const type::v1::CertificateSummary& in) {
  CertificateFact out;
  out.subject = in.subject();
  out.serial = in.serial();
  out.not_before = FromProto(in.not_before_time());
  out.not_after = FromProto(in.not_after_time());
  const auto& usages = in.extended_key_usages();
  out.client_auth =
      std::find(usages.begin(), usages.end(), "clientAuth") != usages.end();
  out.self_signed = in.self_signed();
  return out;
}

}  // namespace

struct Neighbours::Edge {
  std::string target;
  std::unique_ptr<edge_pb::SignalingEdgeService::Stub> stub;
};

struct Neighbours::Capf {
  std::unique_ptr<capf_pb::CapfService::Stub> stub;
};

Neighbours::Neighbours(Options options) : options_(std::move(options)) {}

absl::StatusOr<std::unique_ptr<Neighbours>> Neighbours::Create(
    const common::config::v1::ServerConfig& own, Options options) {
  auto out = absl::WrapUnique(new Neighbours(std::move(options)));
  for (common::config::v1::ClientConfig client : out->options_.edges) {
    *client.mutable_max_backoff() = sallyport::ToProto(kMaxBackoff);
    SP_ASSIGN_OR_RETURN(auto channel, ConnectTo(own, client, "signaling_edge"));
    auto edge = std::make_unique<Edge>();
    edge->target = client.target();
    edge->stub = edge_pb::SignalingEdgeService::NewStub(channel);
    out->edges_.push_back(std::move(edge));
  }
  if (!out->options_.capf.target().empty()) {
    SP_ASSIGN_OR_RETURN(auto channel,
                        ConnectTo(own, out->options_.capf, "capf"));
    out->capf_ = std::make_unique<Capf>();
    out->capf_->stub = capf_pb::CapfService::NewStub(channel);
  }
  if (!out->edges_.empty()) {
    out->surveyor_ = std::thread([self = out.get()] { self->Survey(); });
  }
  return out;
}

Neighbours::~Neighbours() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  if (surveyor_.joinable()) surveyor_.join();
}

EdgeFact Neighbours::AskEdge(const Edge& edge,
                             const std::string& tenant) const {
  EdgeFact out;
  out.target = edge.target;
  edge_pb::EdgeStatus status;
  if (const absl::Status asked = AskWithin(options_.timeout,
                                           [&](grpc::ClientContext* context) {
                                             return edge.stub->GetStatus(
                                                 context, {}, &status);
                                           });
      !asked.ok()) {
    out.error = TextOf(asked);
    return out;
  }
  out.instance = status.info().instance();
  out.draining = status.info().draining();
  out.plan_version = status.snapshot_version();
  for (const auto& source : status.info().sources()) {
    if (source.source() == "capf.trust_bundle") {
      out.trust_in_force = source.active_version() > 0 || source.connected();
    }
  }
  for (const edge_pb::EdgeListener& listener : status.listeners()) {
    out.listens_tls = out.listens_tls || listener.protocol() == "sip_tls";
  }
  if (status.has_sip_certificate()) {
    out.certificate = FactOf(status.sip_certificate());
  }
  for (const auto& [reason, count] : status.refusals()) out.refusals += count;
  if (tenant.empty()) return out;
  std::string token;
  do {
    edge_pb::ListPeerStatesRequest request;
    request.set_parent(tenant);
    request.set_page_size(kPage);
    request.set_page_token(token);
    edge_pb::ListPeerStatesResponse page;
    grpc::ClientContext context;
    SetTimeout(context, options_.timeout);
    // An edge without plan knows no peers; the facts above say so.
    if (!edge.stub->ListPeerStates(&context, request, &page).ok()) break;
    for (const edge_pb::PeerState& state : page.peer_states()) {
      out.peers[state.peer()] = {state.in_service(), state.reason(),
                                 state.has_mutual_tls_time()};
    }
    token = page.next_page_token();
  } while (!token.empty());
  return out;
}

std::vector<EdgeFact> Neighbours::AskEdges(const std::string& tenant) const {
  std::vector<EdgeFact> out(edges_.size());
  std::vector<std::thread> askers;
  for (size_t i = 0; i < edges_.size(); ++i) {
    askers.emplace_back(
        [this, i, &out, &tenant] { out[i] = AskEdge(*edges_[i], tenant); });
  }
  for (std::thread& asker : askers) asker.join();
  return out;
}

TrustFact Neighbours::AskTrust(const std::string& tenant,
                               absl::Time now) const {
  TrustFact out;
  if (capf_ == nullptr) {
    out.error = "dialplan is configured to ask no capf";
    return out;
  }
  std::string token;
  std::set<std::string> subjects;
  std::set<std::string> issuers;
  do {
    capf_pb::ListTrustedCertificatesRequest request;
    request.set_parent(tenant + "/trustStores/CallManager-trust");
    request.set_page_size(kPage);
    request.set_page_token(token);
    capf_pb::ListTrustedCertificatesResponse page;
    const absl::Status asked =
        AskWithin(options_.timeout, [&](grpc::ClientContext* context) {
          return capf_->stub->ListTrustedCertificates(context, request, &page);
        });
    if (!asked.ok()) {
      out.error = TextOf(asked);
      return out;
    }
    for (const capf_pb::TrustedCertificate& each :
         page.trusted_certificates()) {
      const CertificateFact fact = FactOf(each.summary());
      ++out.certificates;
      subjects.insert(each.summary().subject());
      if (!fact.self_signed) issuers.insert(each.summary().issuer());
      if (fact.not_before <= now && now <= fact.not_after) ++out.valid;
    }
    token = page.next_page_token();
  } while (!token.empty());
  std::set_difference(issuers.begin(), issuers.end(), subjects.begin(),
                      subjects.end(), std::back_inserter(out.missing_roots));
  capf_pb::GetPhoneClusterRequest request;
  request.set_name(tenant + "/phoneCluster");
  capf_pb::PhoneCluster cluster;
  const absl::Status asked =
      AskWithin(options_.timeout, [&](grpc::ClientContext* context) {
        return capf_->stub->GetPhoneCluster(context, request, &cluster);
      });
  // A tenant without phones has no cluster.
  if (asked.ok()) out.cluster_mode = cluster.cluster_mode();
  return out;
}

absl::StatusOr<edge_pb::CheckPeerResponse> Neighbours::CheckPeer(
    size_t edge, const edge_pb::CheckPeerRequest& request,
    absl::Duration timeout) const {
  edge_pb::CheckPeerResponse out;
  grpc::ClientContext context;
  SetTimeout(context, timeout);
  SP_RETURN_IF_ERROR(
      FromGrpc(edges_[edge]->stub->CheckPeer(&context, request, &out)));
  return out;
}

EdgeSurvey Neighbours::LastSurvey() const {
  absl::MutexLock lock(&mutex_);
  return survey_;
}

void Neighbours::Survey() {
  while (true) {
    EdgeSurvey found;
    found.instances.emplace();
    bool complete = true;
    for (const EdgeFact& edge : AskEdges("")) {
      complete = complete && edge.error.empty();
      if (!edge.error.empty()) continue;
      found.instances->push_back(edge.instance);
      if (!edge.certificate.has_value()) continue;
      found.certificates.push_back(
          {edge.instance, edge.certificate->client_auth});
    }
    if (!complete) found.instances.reset();
    absl::MutexLock lock(&mutex_);
    if (stopping_) return;
    survey_ = std::move(found);
    mutex_.AwaitWithTimeout(absl::Condition(&stopping_),
                            options_.survey_interval);
    if (stopping_) return;
  }
}

}  // namespace sallyport::dialplan
