#include "services/dialplan/rpc/decision_methods.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "google/rpc/status.pb.h"
#include "services/common/rpc/server_builder.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_grpc.h"
#include "services/common/status/status_macros.h"
#include "services/dialplan/io/metrics_table.h"
#include "services/dialplan/rpc/access_rules.h"

namespace sallyport::dialplan {
namespace {

namespace pb = ::sallyport::dialplan::v1;

// In one request of a stream, as at the other port (RouteStreams).
constexpr int kMaxQuestions = 100;
constexpr size_t kMaxWaiting = 10'000;

absl::Status NotOpen() {
  return MakeError(absl::StatusCode::kUnavailable, "STORE_UNAVAILABLE",
                   "the store has not been reached since this instance "
                   "started: try another, or again");
}

absl::Status Malformed(std::string_view what) {
  return MakeError(absl::StatusCode::kInvalidArgument, "REQUEST_MALFORMED",
                   what);
}

}  // namespace

DecisionMethods::DecisionMethods(const AccessPolicy& policy,
                                 PlanResolver& resolver,
                                 MetricsRegistry* metrics)
    : policy_(policy),
      resolver_(resolver),
      unary_(MethodPath("ResolveRoute")),
      stream_(MethodPath("ResolveRoutes")),
      jobs_(kMaxWaiting) {
  if (metrics == nullptr) return;
  open_streams_ = metrics->Gauge(kRouteSessions);
  questions_ = metrics->Counter(kStreamedQuestionsTotal);
}

std::vector<GrpcLoopServer::Method> DecisionMethods::Methods() {
  GrpcLoopServer::Method unary;
  unary.path = unary_;
  unary.handler = [this](const CallerIdentity& caller, std::string request,
                         GrpcLoopServer::Reply reply) {
    ResolveRoute(caller, request, std::move(reply));
  };
  GrpcLoopServer::Method stream;
  stream.path = stream_;
  stream.streams = true;
  stream.handler = [this](const CallerIdentity& caller, std::string request,
                          GrpcLoopServer::Reply reply) {
    ResolveRoutes(caller, request, std::move(reply));
  };
  stream.open = [this](int change) { open_streams_.Add(change); };
  return {std::move(unary), std::move(stream)};
}

std::optional<bool> DecisionMethods::Health(std::string_view name) const {
  if (name.empty()) return open_;
  if (name == kNewWorkHealthName) return open_ && !draining_;
  return std::nullopt;
}

absl::StatusOr<pb::ResolveRouteResponse> DecisionMethods::Answer(
    const CallerIdentity& caller, std::string_view method,
    const pb::ResolveRouteRequest& question) {
  SP_RETURN_IF_ERROR(
      policy_.CheckTenant(caller, method, TenantOfName(question.parent())));
  return resolver_.Answer(question);
}

bool DecisionMethods::IsQuick(const pb::ResolveRouteRequest& question) {
  return !question.explain() && resolver_.IsCompiled(question.parent());
}

void DecisionMethods::Later(std::function<Answered()> work,
                            GrpcLoopServer::Reply reply) {
  auto answer = std::make_shared<Answered>();
  jobs_.Enqueue(
      [work = std::move(work), answer] {
        *answer = work();
        return absl::OkStatus();
      },
      [answer, reply = std::move(reply)](const absl::Status& status) {
        reply(status.ok() ? *std::move(answer) : Answered(status));
      });
}

void DecisionMethods::ResolveRoute(const CallerIdentity& caller,
                                   const std::string& octets,
                                   GrpcLoopServer::Reply reply) {
  if (!open_) return reply(NotOpen());
  pb::ResolveRouteRequest question;
  if (!question.ParseFromString(octets)) {
    return reply(Malformed("it is no ResolveRouteRequest"));
  }
  const auto work = [this](const CallerIdentity& by,
                           const pb::ResolveRouteRequest& about) -> Answered {
    SP_ASSIGN_OR_RETURN(const pb::ResolveRouteResponse answer,
                        Answer(by, unary_, about));
    return answer.SerializeAsString();
  };
  if (IsQuick(question)) return reply(work(caller, question));
  Later([work, caller, question] { return work(caller, question); },
        std::move(reply));
}

void DecisionMethods::ResolveRoutes(const CallerIdentity& caller,
                                    const std::string& octets,
                                    GrpcLoopServer::Reply reply) {
  if (!open_) return reply(NotOpen());
  pb::ResolveRoutesRequest request;
  if (!request.ParseFromString(octets)) {
    return reply(Malformed("it is no ResolveRoutesRequest"));
  }
  if (request.questions_size() == 0 ||
      request.questions_size() > kMaxQuestions) {
    const std::string what = absl::StrCat("must be 1 to ", kMaxQuestions);
    return reply(MakeError(absl::StatusCode::kInvalidArgument, "VALUE_INVALID",
                           "questions: " + what, {{"questions", what}}));
  }
  const auto work = [this](const CallerIdentity& by,
                           const pb::ResolveRoutesRequest& about) -> Answered {
    pb::ResolveRoutesResponse out;
    for (const pb::ResolveRouteRequest& question : about.questions()) {
      absl::StatusOr<pb::ResolveRouteResponse> answer =
          Answer(by, stream_, question);
      questions_.Increment(answer.ok() ? StreamedQuestion::kAnswered
                                       : StreamedQuestion::kRefused);
      pb::ResolveRouteResult& result = *out.add_results();
      if (answer.ok()) {
        *result.mutable_response() = *std::move(answer);
      } else {
        // As the status of a call would have it, with its details.
        result.mutable_error()->ParseFromString(
            ToGrpc(answer.status()).error_details());
      }
    }
    return out.SerializeAsString();
  };
  const auto& questions = request.questions();
  if (std::all_of(questions.begin(), questions.end(),
                  [this](const pb::ResolveRouteRequest& question) {
                    return IsQuick(question);
                  })) {
    return reply(work(caller, request));
  }
  Later([work, caller, request] { return work(caller, request); },
        std::move(reply));
}

}  // namespace sallyport::dialplan
