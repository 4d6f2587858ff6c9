#include "services/common/rpc/grpc_connection.h"

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/rpc/grpc_caller.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_matchers.h"
#include "services/common/time/mono_time.h"

namespace sallyport {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr size_t kUnary = 0;
constexpr size_t kStream = 1;

// Both halves in one process, and the octets between them in our hands.
class GrpcConnectionTest : public testing::Test,
                           public GrpcCallOwner,
                           public GrpcCallerOwner {
 protected:
  GrpcConnectionTest() { Restart(); }

  void Restart() {
    client_.emplace(*this);
    server_.emplace(*this, options_, now_);
  }

  absl::StatusOr<Method> OnCall(std::string_view path) override {
    if (path == "/t.T/Unary") return Method{kUnary, false};
    if (path == "/t.T/Stream") return Method{kStream, true};
    if (path == "/t.T/Forbidden") {
      return MakeError(absl::StatusCode::kPermissionDenied,
                       "CALLER_NOT_ACCEPTED", "not you: 100 %\n");
    }
    return MakeError(absl::StatusCode::kUnimplemented, "METHOD_NOT_IMPLEMENTED",
                     "there is none");
  }
  void OnRequest(int32_t call, size_t /*method*/,
                 std::string request) override {
    ++handed_out_;
    if (request == "later") {
      waiting_ = call;
    } else if (request == "wrong") {
      server_->Answer(
          call, MakeError(absl::StatusCode::kInvalidArgument, "VALUE_INVALID",
                          "a: is wrong", {{"a", "is wrong"}}));
    } else if (request == "much") {
      server_->Answer(call, std::string(100'000, 'm'));
    } else {
      server_->Answer(call, "re: " + request);
    }
  }
  void OnEnded(size_t method, MonoTime start, absl::StatusCode code) override {
    EXPECT_LE(start, now_);
    ended_.push_back({method, code});
  }

  void OnAnswer(int32_t call, std::string answer) override {
    answers_[call].push_back(std::move(answer));
  }
  void OnStatus(int32_t call, const absl::Status& status) override {
    EXPECT_FALSE(statuses_.contains(call));
    statuses_[call] = status;
  }

  // Carries octets to and fro until silence.
  absl::Status Exchange() {
    absl::Status status;
    for (;;) {
      const std::string up = client_->TakeOutput();
      if (!up.empty()) status.Update(server_->Feed(AsBytes(up), now_));
      while (server_->RunOne(now_)) {
      }
      const std::string down = server_->TakeOutput(size_t{64} << 10);
      if (up.empty() && down.empty()) return status;
      if (!down.empty()) (void)client_->Feed(AsBytes(down));
    }
  }
  int32_t Ask(std::string_view path, std::string_view request,
              const GrpcCaller::Headers& more = {}) {
    const int32_t call = client_->Start(path, more);
    client_->Send(call, request, /*last=*/true);
    EXPECT_THAT(Exchange(), IsOk());
    return call;
  }
  std::string ReasonFor(int32_t call) { return ReasonOf(statuses_[call]); }

  GrpcConnection::Options options_;
  MonoTime now_;
  int handed_out_ = 0;
  int32_t waiting_ = 0;
  std::vector<std::pair<size_t, absl::StatusCode>> ended_;
  std::map<int32_t, std::vector<std::string>> answers_;
  std::map<int32_t, absl::Status> statuses_;
  // Last: they tell of their end.
  std::optional<GrpcCaller> client_;
  std::optional<GrpcConnection> server_;
};

TEST_F(GrpcConnectionTest, OneQuestionOneAnswer) {
  const int32_t call = Ask("/t.T/Unary", "hello");
  EXPECT_THAT(answers_[call], ElementsAre("re: hello"));
  EXPECT_THAT(statuses_[call], IsOk());
  EXPECT_THAT(ended_, ElementsAre(std::pair(kUnary, absl::StatusCode::kOk)));
  EXPECT_EQ(server_->open_calls(), 0u);
  // Headers that are in the table by now.
  EXPECT_THAT(answers_[Ask("/t.T/Unary", "")], ElementsAre("re: "));
}

TEST_F(GrpcConnectionTest, AnErrorComesWithItsReasonAndFields) {
  const absl::Status status = statuses_[Ask("/t.T/Unary", "wrong")];
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ReasonOf(status), "VALUE_INVALID");
  EXPECT_THAT(FieldViolationsOf(status),
              ElementsAre(FieldViolation{"a", "is wrong"}));
}

TEST_F(GrpcConnectionTest, ARefusedCallerIsToldAtOnceAndNothingIsHandedOut) {
  const int32_t call = client_->Start("/t.T/Forbidden");
  ASSERT_THAT(Exchange(), IsOk());
  EXPECT_EQ(statuses_[call].code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(ReasonFor(call), "CALLER_NOT_ACCEPTED");
  EXPECT_EQ(statuses_[call].message(), "not you: 100 %\n");
  EXPECT_EQ(handed_out_, 0);
  EXPECT_THAT(ended_, IsEmpty());
  EXPECT_EQ(server_->open_calls(), 0u);
}

TEST_F(GrpcConnectionTest, AnUnknownMethodIsUnimplemented) {
  EXPECT_EQ(statuses_[Ask("/t.T/Nothing", "x")].code(),
            absl::StatusCode::kUnimplemented);
}

// PROTOCOL-HTTP2.md: other content types get 415; HTTP knows 405.
TEST_F(GrpcConnectionTest, WhatIsNoGrpcGetsAnHttpStatus) {
  const auto told = [&](const char* method, const char* type) {
    const int32_t call = client_->StartWith({{":method", method},
                                             {":scheme", "https"},
                                             {":path", "/t.T/Unary"},
                                             {":authority", "a"},
                                             {"content-type", type}});
    client_->SendRaw(call, "", true);
    EXPECT_THAT(Exchange(), IsOk());
    return std::string(statuses_[call].message());
  };
  EXPECT_EQ(told("GET", "application/grpc"), "HTTP status 405");
  EXPECT_EQ(told("POST", "application/json"), "HTTP status 415");
  EXPECT_EQ(told("POST", "application/grpc-web"), "HTTP status 415");
  EXPECT_EQ(handed_out_, 0);
  EXPECT_EQ(server_->open_calls(), 0u);
}

TEST_F(GrpcConnectionTest, AStreamIsAnsweredInOrderAndEndsWithItsCaller) {
  const int32_t call = client_->Start("/t.T/Stream");
  client_->Send(call, "a", false);
  client_->Send(call, "b", false);
  ASSERT_THAT(Exchange(), IsOk());
  EXPECT_THAT(answers_[call], ElementsAre("re: a", "re: b"));
  EXPECT_FALSE(statuses_.contains(call));
  client_->Send(call, "c", true);
  ASSERT_THAT(Exchange(), IsOk());
  EXPECT_THAT(answers_[call], ElementsAre("re: a", "re: b", "re: c"));
  EXPECT_THAT(statuses_[call], IsOk());
  EXPECT_THAT(ended_, ElementsAre(std::pair(kStream, absl::StatusCode::kOk)));
}

TEST_F(GrpcConnectionTest, AStreamThatSaysNothingEndsWell) {
  const int32_t call = client_->Start("/t.T/Stream");
  client_->SendRaw(call, "", true);
  ASSERT_THAT(Exchange(), IsOk());
  EXPECT_THAT(statuses_[call], IsOk());
  EXPECT_THAT(answers_[call], IsEmpty());
}

TEST_F(GrpcConnectionTest, AnErrorEndsAStreamBehindItsAnswers) {
  const int32_t call = client_->Start("/t.T/Stream");
  client_->Send(call, "a", false);
  client_->Send(call, "wrong", false);
  client_->Send(call, "never asked", false);
  ASSERT_THAT(Exchange(), IsOk());
  EXPECT_THAT(answers_[call], ElementsAre("re: a"));
  EXPECT_EQ(ReasonFor(call), "VALUE_INVALID");
  EXPECT_EQ(server_->open_calls(), 0u);
}

TEST_F(GrpcConnectionTest, AStreamWaitsForAnAnswerThatComesLater) {
  const int32_t call = client_->Start("/t.T/Stream");
  client_->Send(call, "later", false);
  client_->Send(call, "next", true);
  ASSERT_THAT(Exchange(), IsOk());
  EXPECT_EQ(handed_out_, 1);
  server_->Answer(waiting_, "at last");
  ASSERT_THAT(Exchange(), IsOk());
  EXPECT_THAT(answers_[call], ElementsAre("at last", "re: next"));
  EXPECT_THAT(statuses_[call], IsOk());
}

// grpc/doc/statuscodes.md: cardinality violations are UNIMPLEMENTED.
TEST_F(GrpcConnectionTest, AUnaryCallHasOneRequest) {
  const int32_t none = client_->Start("/t.T/Unary");
  client_->SendRaw(none, "", true);
  const int32_t two = client_->Start("/t.T/Unary");
  client_->Send(two, "a", false);
  client_->Send(two, "b", true);
  ASSERT_THAT(Exchange(), IsOk());
  EXPECT_EQ(ReasonFor(none), "REQUESTS_NOT_ONE");
  EXPECT_EQ(statuses_[two].code(), absl::StatusCode::kUnimplemented);
  EXPECT_EQ(handed_out_, 0);
}

TEST_F(GrpcConnectionTest, BrokenMessagesAreRefused) {
  const auto told = [&](std::string_view octets,
                        const GrpcCaller::Headers& more = {}) {
    const int32_t call = client_->Start("/t.T/Unary", more);
    client_->SendRaw(call, octets, true);
    EXPECT_THAT(Exchange(), IsOk());
    return ReasonFor(call);
  };
  EXPECT_EQ(told(std::string_view("\0\0\0\0\2x", 6)), "MESSAGE_TRUNCATED");
  EXPECT_EQ(told(std::string_view("\0\0", 2)), "MESSAGE_TRUNCATED");
  EXPECT_EQ(told(std::string_view("\1\0\0\0\1x", 6)),
            "COMPRESSION_NOT_SUPPORTED");
  EXPECT_EQ(told("hello world"), "MESSAGE_MALFORMED");
  EXPECT_EQ(told(std::string_view("\0\x7f\0\0\0x", 6)), "MESSAGE_TOO_LONG");
  EXPECT_EQ(told("", {{"grpc-encoding", "gzip"}}), "COMPRESSION_NOT_SUPPORTED");
  EXPECT_EQ(told("", {{"grpc-timeout", "soon"}}), "TIMEOUT_MALFORMED");
  EXPECT_EQ(told("", {{"x", std::string(20'000, 'x')}}), "HEADERS_TOO_LONG");
  EXPECT_EQ(handed_out_, 0);
  EXPECT_EQ(server_->open_calls(), 0u);
}

TEST_F(GrpcConnectionTest, ACallEndsAtItsCallersDeadlineOrOurs) {
  const int32_t asked = Ask("/t.T/Unary", "later", {{"grpc-timeout", "50m"}});
  EXPECT_EQ(server_->deadline(), now_ + absl::Milliseconds(50));
  now_ += absl::Milliseconds(50);
  ASSERT_THAT(server_->OnDeadline(now_), IsOk());
  server_->Answer(waiting_, "too late");
  ASSERT_THAT(Exchange(), IsOk());
  EXPECT_EQ(statuses_[asked].code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_THAT(answers_[asked], IsEmpty());
  const int32_t ours = Ask("/t.T/Unary", "later", {{"grpc-timeout", "1H"}});
  now_ += options_.longest_call;
  ASSERT_THAT(server_->OnDeadline(now_), IsOk());
  ASSERT_THAT(Exchange(), IsOk());
  EXPECT_EQ(statuses_[ours].code(), absl::StatusCode::kDeadlineExceeded);
  // A stream has its caller's alone.
  const int32_t stream = client_->Start("/t.T/Stream");
  ASSERT_THAT(Exchange(), IsOk());
  EXPECT_EQ(server_->deadline(), now_ + options_.keepalive);
  EXPECT_FALSE(statuses_.contains(stream));
}

TEST_F(GrpcConnectionTest, ACallersResetEndsItsCall) {
  const int32_t call = Ask("/t.T/Unary", "later");
  client_->Reset(call);
  ASSERT_THAT(Exchange(), IsOk());
  EXPECT_THAT(ended_,
              ElementsAre(std::pair(kUnary, absl::StatusCode::kCancelled)));
  server_->Answer(waiting_, "nobody there");
  ASSERT_THAT(Exchange(), IsOk());
  EXPECT_EQ(server_->open_calls(), 0u);
}

TEST_F(GrpcConnectionTest, LongMessagesPassWhateverTheWindows) {
  options_.max_request = 4 << 20;
  options_.max_held = 8 << 20;
  Restart();
  const std::string question(3'000'000, 'q');
  const int32_t call = Ask("/t.T/Unary", question);
  EXPECT_THAT(answers_[call], ElementsAre("re: " + question));
  EXPECT_THAT(statuses_[call], IsOk());
}

TEST_F(GrpcConnectionTest, AnAnswerThatIsTooLongIsAnError) {
  options_.max_answer = 5;
  Restart();
  EXPECT_EQ(ReasonFor(Ask("/t.T/Unary", "ab")), "ANSWER_TOO_LONG");
}

// A caller that does not take its answers has max_unsent and one answer
// waiting, and what it goes on to ask stays with it.
TEST_F(GrpcConnectionTest, ACallerThatDoesNotReadIsReadNoFurther) {
  const int32_t call = client_->Start("/t.T/Stream");
  for (int i = 0; i < 1000; ++i) client_->Send(call, "much", false);
  for (int i = 0; i < 5; ++i) {
    const std::string up = client_->TakeOutput();
    if (!up.empty()) {
      ASSERT_THAT(server_->Feed(AsBytes(up), now_), IsOk());
    }
    while (server_->RunOne(now_)) {
    }
  }
  EXPECT_EQ(handed_out_, 6);
  // Once it reads, all is answered.
  ASSERT_THAT(Exchange(), IsOk());
  EXPECT_EQ(answers_[call].size(), 1000u);
}

TEST_F(GrpcConnectionTest, PartsOfRequestsAreBounded) {
  options_.max_held = 100'000;
  Restart();
  std::vector<int32_t> calls;
  // Each announces 200 000 octets and sends 30 000 of them.
  for (int i = 0; i < 4; ++i) {
    calls.push_back(client_->Start("/t.T/Unary"));
    client_->SendRaw(calls.back(),
                     std::string("\0\0\3\r@", 5) + std::string(30'000, 'x'),
                     false);
    ASSERT_THAT(Exchange(), IsOk());
  }
  EXPECT_FALSE(statuses_.contains(calls[2]));
  EXPECT_EQ(ReasonFor(calls[3]), "TOO_MUCH_AT_ONCE");
}

TEST_F(GrpcConnectionTest, EmptyRequestsAreBoundedToo) {
  options_.max_held = 100'000;
  Restart();
  const int32_t call = client_->Start("/t.T/Stream");
  std::string raw("\0\0\0\0\5later", 10);
  raw += std::string(60'000, '\0');
  client_->SendRaw(call, raw, false);
  ASSERT_THAT(Exchange(), IsOk());
  EXPECT_EQ(ReasonFor(call), "TOO_MUCH_AT_ONCE");
  EXPECT_EQ(handed_out_, 0);
}

TEST_F(GrpcConnectionTest, DrainLetsCallsEndAndStreamsKnow) {
  const int32_t idle = client_->Start("/t.T/Stream");
  const int32_t busy = client_->Start("/t.T/Stream");
  client_->Send(busy, "later", false);
  ASSERT_THAT(Exchange(), IsOk());
  const int32_t stream_waits = waiting_;
  const int32_t unary = Ask("/t.T/Unary", "later");
  server_->Drain();
  // On its way when we said so.
  const int32_t crossing = client_->Start("/t.T/Unary");
  client_->Send(crossing, "in time", true);
  ASSERT_THAT(Exchange(), IsOk());
  EXPECT_TRUE(client_->told_to_go());
  EXPECT_THAT(answers_[crossing], ElementsAre("re: in time"));
  EXPECT_EQ(ReasonFor(idle), "DRAINING");
  EXPECT_FALSE(statuses_.contains(busy));
  EXPECT_FALSE(server_->finished());
  server_->Answer(stream_waits, "the last");
  server_->Answer(waiting_, "done");
  ASSERT_THAT(Exchange(), IsOk());
  EXPECT_THAT(answers_[busy], ElementsAre("the last"));
  EXPECT_EQ(ReasonFor(busy), "DRAINING");
  EXPECT_THAT(answers_[unary], ElementsAre("done"));
  EXPECT_TRUE(server_->finished());
}

TEST_F(GrpcConnectionTest, MoreCallsThanAllowedAreRefused) {
  options_.max_streams = 2;
  Restart();
  ASSERT_THAT(Exchange(), IsOk());
  std::vector<int32_t> calls;
  for (int i = 0; i < 3; ++i) {
    calls.push_back(client_->Start("/t.T/Stream"));
    client_->Send(calls.back(), "a", false);
  }
  ASSERT_THAT(Exchange(), IsOk());
  EXPECT_EQ(server_->open_calls(), 2u);
  EXPECT_FALSE(answers_.contains(calls[2]));
}

// CVE-2023-44487.
TEST_F(GrpcConnectionTest, RapidResetEndsTheConnection) {
  absl::Status status;
  int resets = 0;
  for (; resets < 5000 && status.ok(); ++resets) {
    const int32_t call = client_->Start("/t.T/Unary");
    status = Exchange();
    client_->Reset(call);
    if (status.ok()) status = Exchange();
  }
  EXPECT_EQ(ReasonOf(status), "HTTP2_FLOOD");
  EXPECT_EQ(resets, 1001);
  EXPECT_TRUE(client_->told_to_go());
  EXPECT_TRUE(server_->finished());
}

TEST_F(GrpcConnectionTest, CancellationsOverTimeAreFine) {
  for (int i = 0; i < 2000; ++i) {
    const int32_t call = client_->Start("/t.T/Unary");
    ASSERT_THAT(Exchange(), IsOk());
    client_->Reset(call);
    ASSERT_THAT(Exchange(), IsOk());
    now_ += absl::Milliseconds(11);
  }
}

// CVE-2019-9512.
TEST_F(GrpcConnectionTest, APingFloodEndsTheConnection) {
  absl::Status status;
  int pings = 0;
  for (; pings < 5000 && status.ok(); ++pings) {
    client_->Ping();
    status = Exchange();
  }
  EXPECT_EQ(ReasonOf(status), "HTTP2_FLOOD");
  EXPECT_LE(pings, 1002);
}

// A frame's nine octets.
std::string Frame(size_t length, uint8_t type, uint8_t flags, uint32_t stream) {
  std::string out;
  for (const size_t octet :
       {length >> 16, length >> 8, length, size_t{type}, size_t{flags},
        size_t{stream >> 24}, size_t{stream >> 16}, size_t{stream >> 8},
        size_t{stream}}) {
    out.push_back(static_cast<char>(octet & 0xff));
  }
  return out;
}

// CVE-2024-28182, which Debian's libnghttp2 has an end to.
TEST_F(GrpcConnectionTest, AContinuationFloodEndsTheConnection) {
  std::string wire = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + Frame(0, 4, 0, 0) +
                     Frame(1, 1, 0, 1) + "\x82";
  for (int i = 0; i < 100; ++i) wire += Frame(0, 9, 0, 1);
  EXPECT_EQ(ReasonOf(server_->Feed(AsBytes(wire), now_)), "HTTP2_MALFORMED");
}

// CVE-2019-9515 and 9518.
TEST_F(GrpcConnectionTest, EmptyFramesEndTheConnection) {
  for (const std::string& frame : {Frame(0, 4, 0, 0), Frame(0, 0, 0, 1)}) {
    Restart();
    client_->Start("/t.T/Stream");
    ASSERT_THAT(Exchange(), IsOk());
    std::string wire;
    for (int i = 0; i < 1100; ++i) wire += frame;
    EXPECT_EQ(ReasonOf(server_->Feed(AsBytes(wire), now_)), "HTTP2_FLOOD");
  }
}

TEST_F(GrpcConnectionTest, WhatIsNoHttp2IsAnError) {
  EXPECT_EQ(ReasonOf(server_->Feed(
                AsBytes("GET / HTTP/1.1\r\nHost: a\r\n\r\n     "), now_)),
            "HTTP2_MALFORMED");
}

TEST_F(GrpcConnectionTest, ASilentPeerIsAskedAndThenGone) {
  ASSERT_THAT(Exchange(), IsOk());
  EXPECT_EQ(server_->deadline(), now_ + options_.keepalive);
  now_ += options_.keepalive;
  ASSERT_THAT(server_->OnDeadline(now_), IsOk());
  // It answers.
  ASSERT_THAT(Exchange(), IsOk());
  EXPECT_EQ(server_->deadline(), now_ + options_.keepalive);
  now_ += options_.keepalive;
  ASSERT_THAT(server_->OnDeadline(now_), IsOk());
  // It does not.
  EXPECT_EQ(server_->deadline(), now_ + options_.keepalive_timeout);
  now_ += options_.keepalive_timeout;
  EXPECT_EQ(ReasonOf(server_->OnDeadline(now_)), "KEEPALIVE_TIMEOUT");
}

TEST_F(GrpcConnectionTest, TheEndOfTheConnectionIsTheEndOfItsCalls) {
  Ask("/t.T/Unary", "later");
  server_.reset();
  EXPECT_THAT(ended_,
              ElementsAre(std::pair(kUnary, absl::StatusCode::kCancelled)));
}

TEST_F(GrpcConnectionTest, OctetsComeInAnyPieces) {
  const int32_t call = client_->Start("/t.T/Unary");
  client_->Send(call, "hello", true);
  const std::string up = client_->TakeOutput();
  for (const char octet : up) {
    ASSERT_THAT(server_->Feed(AsBytes({&octet, 1}), now_), IsOk());
  }
  ASSERT_THAT(Exchange(), IsOk());
  EXPECT_THAT(answers_[call], ElementsAre("re: hello"));
}

}  // namespace
}  // namespace sallyport
