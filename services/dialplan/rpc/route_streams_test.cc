// Streams of questions over real gRPC on loopback, without TLS.

#include "services/dialplan/rpc/route_streams.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "google/rpc/status.pb.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/generic/generic_stub.h"
#include "grpcpp/security/credentials.h"
#include "grpcpp/security/server_credentials.h"
#include "grpcpp/server_builder.h"
#include "grpcpp/support/slice.h"
#include "sallyport/dialplan/v1/dialplan_service.grpc.pb.h"
#include "services/common/rpc/callback_queue.h"
#include "services/common/rpc/dispatch_service.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_grpc.h"
#include "services/common/status/status_matchers.h"

namespace sallyport::dialplan {
namespace {

namespace pb = ::sallyport::dialplan::v1;

using Stream = grpc::ClientReaderWriter<pb::ResolveRoutesRequest,
                                        pb::ResolveRoutesResponse>;

class Service final : public DispatchService {
 public:
  Service(RouteStreams& streams, RouteStreams::Answer answer)
      : DispatchService(
            *pb::ResolveRoutesRequest::descriptor()
                 ->file()
                 ->pool()
                 ->FindServiceByName("sallyport.dialplan.v1.DialplanService")) {
    HandleBidi("ResolveRoutes",
               [&streams, answer](grpc::CallbackServerContext*) {
                 return streams.Open(answer);
               });
  }
};

// Answers "1001" with its matched_pattern "1001"; refuses "bad"; "large" is
// answered with 64 KiB, "slow" takes a millisecond.
class RouteStreamsTest : public testing::Test {
 protected:
  void Start(RouteStreams::Options options = {}) {
    PinCallbackQueue();
    streams_.emplace(options);
    service_.emplace(*streams_,
                     [this](const pb::ResolveRouteRequest& question)
                         -> absl::StatusOr<pb::ResolveRouteResponse> {
                       ++asked_;
                       const std::string& called = question.called_number();
                       if (called == "bad") {
                         return MakeError(absl::StatusCode::kInvalidArgument,
                                          "VALUE_REQUIRED", "is required",
                                          {{"called_number", "is required"}});
                       }
                       if (called == "slow") absl::SleepFor(kSlow);
                       pb::ResolveRouteResponse out;
                       out.set_matched_pattern(called);
                       if (called == "large") {
                         out.set_explanation(std::string(64 << 10, 'x'));
                       }
                       return out;
                     });
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(),
                             &port);
    builder.RegisterService(&*service_);
    server_ = builder.BuildAndStart();
    target_ = absl::StrCat("127.0.0.1:", port);
    stub_ = pb::DialplanService::NewStub(Connect());
  }
  void TearDown() override {
    if (server_ == nullptr) return;
    server_->Shutdown(absl::ToChronoTime(absl::Now() + absl::Seconds(1)));
    server_->Wait();
    EXPECT_EQ(streams_->open_streams(), 0u);
  }

  // A connection of its own for each.
  std::shared_ptr<grpc::Channel> Connect() {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    return grpc::CreateCustomChannel(
        target_, grpc::InsecureChannelCredentials(), arguments);
  }

  static pb::ResolveRoutesRequest Ask(const std::vector<std::string>& called) {
    pb::ResolveRoutesRequest out;
    for (const std::string& one : called) {
      out.add_questions()->set_called_number(one);
    }
    return out;
  }

  // The next `count` results: what was answered, or the reason of the refusal.
  static std::vector<std::string> Read(Stream& stream, size_t count) {
    std::vector<std::string> out;
    pb::ResolveRoutesResponse message;
    while (out.size() < count && stream.Read(&message)) {
      for (const pb::ResolveRouteResult& result : message.results()) {
        out.push_back(result.has_error() ? ReasonOf(StatusOf(result.error()))
                                         : result.response().matched_pattern());
      }
    }
    return out;
  }
  static absl::Status StatusOf(const google::rpc::Status& error) {
    return FromGrpc(grpc::Status(static_cast<grpc::StatusCode>(error.code()),
                                 error.message(), error.SerializeAsString()));
  }

  static constexpr absl::Duration kSlow = absl::Milliseconds(1);
  std::optional<RouteStreams> streams_;
  std::optional<Service> service_;
  std::unique_ptr<grpc::Server> server_;
  std::string target_;
  std::unique_ptr<pb::DialplanService::Stub> stub_;
  std::atomic<int> asked_ = 0;
};

TEST_F(RouteStreamsTest, AnswersInOrderAndGoesOnAfterARefusal) {
  Start();
  grpc::ClientContext context;
  const auto stream = stub_->ResolveRoutes(&context);
  ASSERT_TRUE(stream->Write(Ask({"1", "bad", "2"})));
  EXPECT_THAT(Read(*stream, 3),
              testing::ElementsAre("1", "VALUE_REQUIRED", "2"));
  ASSERT_TRUE(stream->Write(Ask({"3"})));
  EXPECT_THAT(Read(*stream, 1), testing::ElementsAre("3"));
  stream->WritesDone();
  EXPECT_THAT(Read(*stream, 1), testing::IsEmpty());
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(RouteStreamsTest, ManyQuestionsInOneRequestAndManyRequests) {
  Start();
  grpc::ClientContext context;
  const auto stream = stub_->ResolveRoutes(&context);
  constexpr int kRequests = 200;
  std::thread writer([&] {
    for (int r = 0; r < kRequests; ++r) {
      std::vector<std::string> called;
      for (int q = 0; q < 100; ++q) called.push_back(absl::StrCat(r, "-", q));
      ASSERT_TRUE(stream->Write(Ask(called)));
    }
    stream->WritesDone();
  });
  const std::vector<std::string> answers = Read(*stream, kRequests * 100);
  writer.join();
  ASSERT_EQ(answers.size(), kRequests * 100u);
  for (size_t i = 0; i < answers.size(); ++i) {
    ASSERT_EQ(answers[i], absl::StrCat(i / 100, "-", i % 100));
  }
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(RouteStreamsTest, RequestsOutOfBoundsEndTheStream) {
  Start();
  for (const int count : {0, 101}) {
    grpc::ClientContext context;
    const auto stream = stub_->ResolveRoutes(&context);
    // What came before is answered first.
    ASSERT_TRUE(stream->Write(Ask({"1"})));
    stream->Write(Ask(std::vector<std::string>(static_cast<size_t>(count))));
    EXPECT_THAT(Read(*stream, 2), testing::ElementsAre("1"));
    const absl::Status status = FromGrpc(stream->Finish());
    EXPECT_THAT(status, HasReason("VALUE_INVALID"));
    EXPECT_EQ(FieldViolationsOf(status)[0].field, "questions");
  }
  EXPECT_EQ(asked_, 2);
}

TEST_F(RouteStreamsTest, OctetsThatAreNoRequestEndTheStream) {
  Start();
  grpc::GenericStub generic(Connect());
  grpc::CompletionQueue queue;
  grpc::ClientContext context;
  void* tag = nullptr;
  bool ok = false;
  const auto call = generic.PrepareCall(
      &context, "/sallyport.dialplan.v1.DialplanService/ResolveRoutes", &queue);
  call->StartCall(nullptr);
  queue.Next(&tag, &ok);
  const grpc::Slice slice(std::string("\x0a\x05no"));
  call->Write(grpc::ByteBuffer(&slice, 1), nullptr);
  queue.Next(&tag, &ok);
  grpc::ByteBuffer answer;
  call->Read(&answer, nullptr);
  queue.Next(&tag, &ok);
  EXPECT_FALSE(ok);
  grpc::Status status;
  call->Finish(&status, nullptr);
  queue.Next(&tag, &ok);
  EXPECT_THAT(FromGrpc(status), HasReason("REQUEST_MALFORMED"));
}

// One that asks and does not read is not read either once its answers fill
// their room; others are answered meanwhile, and nothing is lost.
TEST_F(RouteStreamsTest, WhoDoesNotReadHoldsUpNobody) {
  Start();
  grpc::ClientContext deaf_context;
  const auto deaf = stub_->ResolveRoutes(&deaf_context);
  constexpr int kRequests = 20;
  // 128 MiB of answers: more than any buffer on the way takes.
  std::thread writer([&] {
    for (int r = 0; r < kRequests; ++r) {
      deaf->Write(Ask(std::vector<std::string>(100, "large")));
    }
    deaf->WritesDone();
  });
  int before = -1;
  for (const absl::Time give_up = absl::Now() + absl::Seconds(20);
       absl::Now() < give_up && (asked_ == 0 || asked_ != before);) {
    before = asked_;
    absl::SleepFor(absl::Milliseconds(100));
  }
  EXPECT_LT(asked_, kRequests * 100);

  const auto other_stub = pb::DialplanService::NewStub(Connect());
  for (int i = 0; i < 50; ++i) {
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(5)));
    const auto stream = other_stub->ResolveRoutes(&context);
    ASSERT_TRUE(stream->Write(Ask({"1"})));
    EXPECT_THAT(Read(*stream, 1), testing::ElementsAre("1"));
    stream->WritesDone();
    EXPECT_TRUE(stream->Finish().ok());
  }

  EXPECT_THAT(Read(*deaf, kRequests * 100), testing::SizeIs(kRequests * 100));
  writer.join();
  EXPECT_TRUE(deaf->Finish().ok());
}

// Many long requests at once: a stream that has taken its turn lets others
// have the thread, so a short question is not behind 100 long ones of each.
TEST_F(RouteStreamsTest, LongRequestsShareTheThreads) {
  Start();
  std::vector<std::thread> slow;
  for (int i = 0; i < 8; ++i) {
    slow.emplace_back([this] {
      const auto stub = pb::DialplanService::NewStub(Connect());
      grpc::ClientContext context;
      const auto stream = stub->ResolveRoutes(&context);
      stream->Write(Ask(std::vector<std::string>(100, "slow")));
      EXPECT_THAT(Read(*stream, 100), testing::Each("slow"));
    });
  }
  while (asked_ < 20) absl::SleepFor(absl::Milliseconds(1));
  grpc::ClientContext context;
  const auto stream = stub_->ResolveRoutes(&context);
  ASSERT_TRUE(stream->Write(Ask({"1"})));
  EXPECT_THAT(Read(*stream, 1), testing::ElementsAre("1"));
  EXPECT_LT(asked_, 700);  // of the 801
  for (std::thread& thread : slow) thread.join();
  stream->WritesDone();
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(RouteStreamsTest, DrainAnswersWhatWasAskedAndEndsTheRest) {
  Start();
  grpc::ClientContext idle_context;
  const auto idle = stub_->ResolveRoutes(&idle_context);
  ASSERT_TRUE(idle->Write(Ask({"1"})));
  EXPECT_THAT(Read(*idle, 1), testing::ElementsAre("1"));
  grpc::ClientContext busy_context;
  const auto busy = stub_->ResolveRoutes(&busy_context);
  ASSERT_TRUE(busy->Write(Ask(std::vector<std::string>(100, "slow"))));
  while (asked_ < 2) absl::SleepFor(absl::Milliseconds(1));
  streams_->Drain();
  EXPECT_THAT(Read(*idle, 1), testing::IsEmpty());
  EXPECT_THAT(FromGrpc(idle->Finish()), HasReason("DRAINING"));
  EXPECT_THAT(Read(*busy, 101), testing::SizeIs(100));
  EXPECT_THAT(FromGrpc(busy->Finish()), HasReason("DRAINING"));
  grpc::ClientContext late_context;
  const auto late = stub_->ResolveRoutes(&late_context);
  EXPECT_THAT(Read(*late, 1), testing::IsEmpty());
  EXPECT_THAT(FromGrpc(late->Finish()), HasReason("DRAINING"));
}

TEST_F(RouteStreamsTest, ACallerThatGoesAwayLeavesNothing) {
  Start();
  {
    grpc::ClientContext context;
    const auto stream = stub_->ResolveRoutes(&context);
    ASSERT_TRUE(stream->Write(Ask(std::vector<std::string>(100, "slow"))));
    while (asked_ < 2) absl::SleepFor(absl::Milliseconds(1));
    context.TryCancel();
    stream->Finish();
  }
  for (int i = 0; i < 200 && streams_->open_streams() > 0; ++i) {
    absl::SleepFor(absl::Milliseconds(10));
  }
  EXPECT_EQ(streams_->open_streams(), 0u);
}

}  // namespace
}  // namespace sallyport::dialplan
