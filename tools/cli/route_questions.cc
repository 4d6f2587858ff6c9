#include "tools/cli/route_questions.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "grpcpp/client_context.h"
#include "grpcpp/completion_queue.h"
#include "grpcpp/generic/generic_stub.h"
#include "grpcpp/impl/codegen/proto_utils.h"
#include "grpcpp/support/byte_buffer.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_grpc.h"
#include "tools/cli/field_text.h"
#include "tools/cli/resource_kinds.h"
#include "tools/cli/table.h"

namespace sallyport::cli {
namespace {

namespace pb = ::sallyport::dialplan::v1;
using Questions = std::vector<pb::ResolveRouteRequest>;
using Results = std::vector<pb::ResolveRouteResult>;

constexpr char kPath[] = "/sallyport.dialplan.v1.DialplanService/ResolveRoutes";
constexpr size_t kMostInRequest = 100;

// One stream, which asks what `results` does not answer yet.
// Thread-compatible.
class Asking {
 public:
  Asking(const Endpoint& endpoint, const Questions& questions, Results& results)
      : timeout_(endpoint.timeout),
        questions_(questions),
        results_(results),
        next_(results.size()),
        stub_(endpoint.channel),
        call_(stub_.PrepareCall(&context_, kPath, &queue_)) {}
  ~Asking() {
    context_.TryCancel();
    queue_.Shutdown();
    void* tag = nullptr;
    bool ok = false;
    while (queue_.Next(&tag, &ok)) {
    }
  }

  absl::Status Run() {
    call_->StartCall(&start_);
    bool open = Await(&start_);
    if (open) {
      call_->Read(&in_, &read_);
      Write();
    }
    while (open && results_.size() < questions_.size()) {
      bool ok = false;
      void* const tag = Next(&ok);
      if (tag == nullptr) {
        return MakeError(absl::StatusCode::kDeadlineExceeded,
                         "DEADLINE_EXCEEDED", "no answer came");
      }
      if (tag == &write_) {
        if (ok) Write();
        continue;
      }
      open = ok && Take();
      if (open) call_->Read(&in_, &read_);
    }
    if (open) return absl::OkStatus();
    grpc::Status status;
    call_->Finish(&status, &finish_);
    if (!Await(&finish_)) return absl::InternalError("the stream is stuck");
    if (status.ok()) return absl::InternalError("the stream ended early");
    return FromGrpc(status);
  }

 private:
  void* Next(bool* ok) {
    void* tag = nullptr;
    const auto event =
        queue_.AsyncNext(&tag, ok, absl::ToChronoTime(absl::Now() + timeout_));
    return event == grpc::CompletionQueue::GOT_EVENT ? tag : nullptr;
  }
  // Drops what comes before `tag`.
  bool Await(const void* tag) {
    bool ok = false;
    void* got = nullptr;
    do {
      got = Next(&ok);
    } while (got != nullptr && got != tag);
    return got != nullptr && ok;
  }

  void Write() {
    if (next_ == questions_.size()) return;
    pb::ResolveRoutesRequest request;
    const size_t end = std::min(next_ + kMostInRequest, questions_.size());
    while (next_ < end) *request.add_questions() = questions_[next_++];
    bool own_buffer = false;
    out_.Clear();
    grpc::SerializationTraits<pb::ResolveRoutesRequest>::Serialize(
        request, &out_, &own_buffer);
    call_->Write(out_, &write_);
  }

  bool Take() {
    pb::ResolveRoutesResponse response;
    if (!grpc::SerializationTraits<pb::ResolveRoutesResponse>::Deserialize(
             &in_, &response)
             .ok()) {
      return false;
    }
    for (pb::ResolveRouteResult& result : *response.mutable_results()) {
      if (results_.size() == questions_.size()) return false;
      results_.push_back(std::move(result));
    }
    return true;
  }

  const absl::Duration timeout_;
  const Questions& questions_;
  Results& results_;
  size_t next_;  // question to be sent
  grpc::CompletionQueue queue_;
  grpc::ClientContext context_;
  grpc::GenericStub stub_;
  const std::unique_ptr<grpc::GenericClientAsyncReaderWriter> call_;
  grpc::ByteBuffer in_;
  grpc::ByteBuffer out_;
  char start_ = 0;
  char read_ = 0;
  char write_ = 0;
  char finish_ = 0;
};

// "users/ann", or the number as given.
std::string FromText(const pb::ResolveRouteRequest& question) {
  for (const std::string* name :
       {&question.user(), &question.phone(), &question.line(), &question.peer(),
        &question.calling_search_space(), &question.number()}) {
    if (name->empty()) continue;
    const size_t kind = name->rfind('/', name->rfind('/') - 1);
    return kind == std::string::npos ? *name : name->substr(kind + 1);
  }
  return "";
}

}  // namespace

absl::StatusOr<Results> AskRoutes(const Endpoint& endpoint,
                                  const Questions& questions) {
  Results results;
  results.reserve(questions.size());
  while (results.size() < questions.size()) {
    const size_t before = results.size();
    const absl::Status status = Asking(endpoint, questions, results).Run();
    if (status.ok()) break;
    if (status.code() != absl::StatusCode::kUnavailable ||
        results.size() == before) {
      return status;
    }
  }
  return results;
}

std::string RoutesText(const Questions& questions, const Results& results) {
  Table table({"FROM", "TO", "DECISION", "MATCHED", "TARGETS", "WHY"});
  for (size_t i = 0; i < results.size(); ++i) {
    const pb::ResolveRouteResult& result = results[i];
    if (result.has_error()) {
      table.AddRow({FromText(questions[i]), questions[i].called_number(),
                    "refused", "", "", result.error().message()});
      continue;
    }
    const pb::ResolveRouteResponse& route = result.response();
    std::vector<std::string> targets;
    for (const pb::RouteTarget& target : route.targets()) {
      const std::string& name = !target.peer().empty()   ? target.peer()
                                : !target.line().empty() ? target.line()
                                : !target.user().empty() ? target.user()
                                                         : target.hunt_pilot();
      if (!name.empty()) targets.push_back(ShortName(name));
    }
    table.AddRow({FromText(questions[i]), questions[i].called_number(),
                  FieldText(route, "decision"), route.matched_pattern(),
                  absl::StrJoin(targets, ", "), route.reason()});
  }
  return table.ToString();
}

}  // namespace sallyport::cli
