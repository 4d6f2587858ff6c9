#include "services/dialplan/rpc/route_streams.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "google/rpc/status.pb.h"
#include "grpcpp/alarm.h"
#include "grpcpp/impl/codegen/proto_utils.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_grpc.h"
#include "services/dialplan/io/metrics_table.h"

namespace sallyport::dialplan {
namespace {

namespace pb = ::sallyport::dialplan::v1;

absl::Status Draining() {
  return MakeError(absl::StatusCode::kUnavailable, "DRAINING",
                   "this instance is about to end: connect to another");
}

// As the status of a call would have it, with its details.
void SetError(const absl::Status& status, google::rpc::Status& out) {
  out.ParseFromString(ToGrpc(status).error_details());
}

}  // namespace

// One stream. A request is read, answered and done with before the next is
// read, so one thread at a time works on it; answers are written meanwhile.
// Thread-safe.
class RouteStream final : public RouteStreams::Reactor,
                          public std::enable_shared_from_this<RouteStream> {
 public:
  RouteStream(RouteStreams& streams, RouteStreams::Answer answer)
      : streams_(streams), answer_(std::move(answer)) {}

  void Start() {
    absl::MutexLock lock(&mutex_);
    Proceed();
  }

  void Drain() {
    absl::MutexLock lock(&mutex_);
    draining_ = true;
    // A read that is open brings nothing that has to be answered here.
    if (!working_) Proceed();
  }

  void OnReadDone(bool ok) override {
    absl::Status status = ok ? Parse() : absl::OkStatus();
    {
      absl::MutexLock lock(&mutex_);
      reading_ = false;
      if (!ok) no_more_ = true;
      if (!status.ok()) refusal_ = std::move(status);
      if (!ok || !refusal_.ok() || finished_) {
        Proceed();
        return;
      }
      working_ = true;
    }
    Work();
  }

  void OnWriteDone(bool ok) override {
    bool resume = false;
    {
      absl::MutexLock lock(&mutex_);
      writing_ = false;
      if (!ok) {
        End(grpc::Status::CANCELLED);
        return;
      }
      resume = std::exchange(paused_, false);
      Proceed();
    }
    if (resume) Work();
  }

  void OnCancel() override {
    absl::MutexLock lock(&mutex_);
    End(grpc::Status::CANCELLED);
  }

  void OnDone() override { streams_.Remove(shared_from_this()); }

 private:
  absl::Status Parse() {
    next_question_ = 0;
    if (!grpc::SerializationTraits<pb::ResolveRoutesRequest>::Deserialize(
             &received_, &request_)
             .ok()) {
      return MakeError(absl::StatusCode::kInvalidArgument, "REQUEST_MALFORMED",
                       "it is no ResolveRoutesRequest");
    }
    const int most = streams_.options_.max_questions;
    if (request_.questions_size() == 0 || request_.questions_size() > most) {
      const std::string what = absl::StrCat("must be 1 to ", most);
      return MakeError(absl::StatusCode::kInvalidArgument, "VALUE_INVALID",
                       "questions: " + what, {{"questions", what}});
    }
    return absl::OkStatus();
  }

  // Answers what is left of the request; goes on later if that takes long, or
  // if there is no room for more answers.
  void Work() {
    const absl::Time until = absl::Now() + streams_.options_.turn;
    while (next_question_ < request_.questions_size()) {
      absl::StatusOr<pb::ResolveRouteResponse> answer =
          answer_(request_.questions(next_question_++));
      streams_.questions_.Increment(answer.ok() ? StreamedQuestion::kAnswered
                                                : StreamedQuestion::kRefused);
      const bool pause = Add(std::move(answer));
      const bool more = next_question_ < request_.questions_size();
      absl::MutexLock lock(&mutex_);
      if (finished_) return;
      if (pause && more) {
        paused_ = true;
        Proceed();
        return;
      }
      if (more && absl::Now() > until) {
        Proceed();
        alarm_.Set(absl::ToChronoTime(absl::Now()),
                   [self = shared_from_this()](bool) { self->Work(); });
        return;
      }
    }
    absl::MutexLock lock(&mutex_);
    working_ = false;
    Proceed();
  }

  // True: there is no room for another.
  bool Add(absl::StatusOr<pb::ResolveRouteResponse> answer) {
    absl::MutexLock lock(&mutex_);
    pb::ResolveRouteResult& result = *waiting_.add_results();
    if (answer.ok()) {
      *result.mutable_response() = *std::move(answer);
    } else {
      SetError(answer.status(), *result.mutable_error());
    }
    waiting_octets_ += result.ByteSizeLong();
    return waiting_octets_ >= streams_.options_.max_waiting;
  }

  // Starts whatever can be started.
  void Proceed() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (finished_) return;
    if (!writing_ && waiting_.results_size() > 0) {
      sent_.Clear();  // what is serialized into must be empty
      bool own_buffer = false;
      const grpc::Status status =
          grpc::SerializationTraits<pb::ResolveRoutesResponse>::Serialize(
              waiting_, &sent_, &own_buffer);
      waiting_.Clear();
      waiting_octets_ = 0;
      if (!status.ok()) return End(status);
      writing_ = true;
      StartWrite(&sent_);
    }
    if (working_ || reading_) {
      if (!draining_ || working_ || writing_) return;
      return End(ToGrpc(Draining()));
    }
    if (!refusal_.ok() || draining_ || no_more_) {
      if (writing_) return;  // what was answered comes first
      return End(!refusal_.ok() ? ToGrpc(refusal_)
                 : draining_    ? ToGrpc(Draining())
                                : grpc::Status::OK);
    }
    if (waiting_octets_ >= streams_.options_.max_waiting) return;
    reading_ = true;
    StartRead(&received_);
  }

  void End(const grpc::Status& status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (std::exchange(finished_, true)) return;
    Finish(status);
  }

  RouteStreams& streams_;
  const RouteStreams::Answer answer_;

  // gRPC's while a read is open, then his who works.
  grpc::ByteBuffer received_;
  pb::ResolveRoutesRequest request_;
  int next_question_ = 0;
  grpc::Alarm alarm_;

  absl::Mutex mutex_;
  pb::ResolveRoutesResponse waiting_ ABSL_GUARDED_BY(mutex_);
  size_t waiting_octets_ ABSL_GUARDED_BY(mutex_) = 0;
  grpc::ByteBuffer sent_ ABSL_GUARDED_BY(mutex_);
  bool reading_ ABSL_GUARDED_BY(mutex_) = false;
  bool working_ ABSL_GUARDED_BY(mutex_) = false;  // a request is in hand
  bool paused_ ABSL_GUARDED_BY(mutex_) = false;   // ... until a write is done
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool no_more_ ABSL_GUARDED_BY(mutex_) = false;  // the client has said all
  bool draining_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status refusal_ ABSL_GUARDED_BY(mutex_);
};

RouteStreams::RouteStreams(Options options) : options_(options) {
  if (options_.metrics != nullptr) {
    open_ = options_.metrics->Gauge(kRouteSessions);
    questions_ = options_.metrics->Counter(kStreamedQuestionsTotal);
  }
}

RouteStreams::Reactor* RouteStreams::Open(Answer answer) {
  auto stream = std::make_shared<RouteStream>(*this, std::move(answer));
  bool draining = false;
  {
    absl::MutexLock lock(&mutex_);
    streams_.insert(stream);
    draining = draining_;
  }
  open_.Add(1);
  if (draining) {
    stream->Drain();
  } else {
    stream->Start();
  }
  return stream.get();
}

void RouteStreams::Remove(const std::shared_ptr<RouteStream>& stream) {
  open_.Add(-1);
  absl::MutexLock lock(&mutex_);
  streams_.erase(stream);
}

void RouteStreams::Drain() {
  std::vector<std::shared_ptr<RouteStream>> streams;
  {
    absl::MutexLock lock(&mutex_);
    draining_ = true;
    streams.assign(streams_.begin(), streams_.end());
  }
  for (const auto& stream : streams) stream->Drain();
}

size_t RouteStreams::open_streams() const {
  absl::MutexLock lock(&mutex_);
  return streams_.size();
}

}  // namespace sallyport::dialplan
