// The session listener of the real process: the same answers, rights, limits
// and drain as the gRPC server beside it has, for clients that others wrote.

#include <csignal>
#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "grpcpp/grpcpp.h"
#include "gtest/gtest.h"
#include "sallyport/media_relay/v1/media_relay_service.grpc.pb.h"
#include "sallyport/type/v1/srtp_suite.pb.h"
#include "services/common/status/error_reason.h"
#include "services/media_relay/relay_test_setup.h"
#include "services/media_relay/session_rig.h"

namespace sallyport::media_relay {
namespace {

class SessionListenerTest : public SessionRig {
 protected:
  void SetUp() override {
    SessionRig::SetUp();
    quick_ = Quick("signaling_edge");
    request_.set_parent("tenants/default");
    v1::Session& session = *request_.mutable_session();
    session.set_owner("edge-0");
    session.mutable_leg_a()->set_protocol(type::v1::MEDIA_PROTOCOL_SDES_SRTP);
    session.mutable_leg_b()->set_protocol(type::v1::MEDIA_PROTOCOL_RTP);
  }
  std::string ExtraConfig() const override {
    return ",\"session_listener\":{\"listen_address\":\"127.0.0.1:0\","
           "\"busy_poll\":\"0.001s\",\"cpu\":0}";
  }

  std::unique_ptr<Stubs> Quick(const std::string& who) {
    return ConnectToRelay(*pki_, process_, who, "sessions");
  }
  // Code, message and reason of both ports.
  template <typename Method, typename Request, typename Response>
  absl::Status Both(const std::string& who, Method method,
                    const Request& request, Response* response) {
    const absl::Status quick = Call(*Quick(who), method, request, response);
    const absl::Status other = Call(*Stub(who), method, request, response);
    EXPECT_EQ(quick, other);
    EXPECT_EQ(ReasonOf(quick), ReasonOf(other));
    return quick;
  }

  std::unique_ptr<Stubs> quick_;
  v1::CreateSessionRequest request_;
};

TEST_F(SessionListenerTest, SessionsOfOnePortAreThoseOfTheOther) {
  v1::Session made;
  ASSERT_TRUE(Call(*quick_, &Stubs::CreateSession, request_, &made).ok());
  EXPECT_NE(made.leg_a().local_rtp_port(), 0u);
  EXPECT_EQ(made.leg_a().local_key().key_salt().size(), 30u);
  v1::Session other = Get(made.name());
  *other.mutable_lease_expire_time() = made.lease_expire_time();
  EXPECT_EQ(other.SerializeAsString(), made.SerializeAsString());

  v1::UpdateSessionRequest update;
  update.mutable_session()->set_name(made.name());
  v1::Leg& leg = *update.mutable_session()->mutable_leg_b();
  leg.mutable_remote_rtp()->set_address("127.0.0.1");
  leg.mutable_remote_rtp()->set_port(4000);
  v1::Session updated;
  ASSERT_TRUE(Call(*quick_, &Stubs::UpdateSession, update, &updated).ok());
  EXPECT_EQ(Get(made.name()).leg_b().remote_rtp().port(), 4000u);

  v1::DeleteSessionRequest del;
  del.set_name(made.name());
  del.set_owner("edge-0");
  v1::Session ended;
  ASSERT_TRUE(Call(*quick_, &Stubs::DeleteSession, del, &ended).ok());
  EXPECT_EQ(ended.end_reason(), "DELETED");
  EXPECT_TRUE(ended.leg_a().local_key().key_salt().empty());
  EXPECT_TRUE(absl::IsNotFound(
      Both("signaling_edge", &Stubs::DeleteSession, del, &ended)));
  del.set_allow_missing(true);
  EXPECT_TRUE(Both("signaling_edge", &Stubs::DeleteSession, del, &ended).ok());

  // A request_id means the same session at both.
  request_.set_request_id("once");
  v1::Session first;
  ASSERT_TRUE(Call(*quick_, &Stubs::CreateSession, request_, &first).ok());
  v1::Session again;
  ASSERT_TRUE(Call(*edge_, &Stubs::CreateSession, request_, &again).ok());
  EXPECT_EQ(first.name(), again.name());
}

TEST_F(SessionListenerTest, RefusesWhatTheOtherPortRefuses) {
  v1::Session answer;
  v1::CreateSessionRequest wrong = request_;
  wrong.mutable_session()->mutable_leg_a()->clear_protocol();
  wrong.mutable_session()->clear_owner();
  EXPECT_TRUE(absl::IsInvalidArgument(
      Both("signaling_edge", &Stubs::CreateSession, wrong, &answer)));
  wrong = request_;
  wrong.set_parent("tenants/-");
  EXPECT_TRUE(absl::IsInvalidArgument(
      Both("signaling_edge", &Stubs::CreateSession, wrong, &answer)));
  // Sessions are made by their owners alone; operators end them.
  for (const char* who : {"operator/ann", "dialplan", "operator/nobody"}) {
    EXPECT_TRUE(absl::IsPermissionDenied(
        Both(who, &Stubs::CreateSession, request_, &answer)));
  }
  v1::DeleteSessionRequest del;
  del.set_name("tenants/default/sessions/none");
  EXPECT_TRUE(absl::IsNotFound(
      Both("operator/ann", &Stubs::DeleteSession, del, &answer)));
  del.set_reason("not a reason");
  EXPECT_TRUE(absl::IsInvalidArgument(
      Both("operator/ann", &Stubs::DeleteSession, del, &answer)));
  // What is not of every call is at the other port.
  v1::GetSessionRequest get;
  get.set_name("tenants/default/sessions/none");
  EXPECT_EQ(ReasonOf(Call(*quick_, &Stubs::GetSession, get, &answer)),
            "METHOD_NOT_IMPLEMENTED");
  // More than the largest message.
  v1::CreateSessionRequest large = request_;
  large.mutable_session()->set_call(std::string(5 << 20, 'x'));
  EXPECT_TRUE(absl::IsResourceExhausted(
      Call(*quick_, &Stubs::CreateSession, large, &answer)));
  EXPECT_TRUE(Call(*quick_, &Stubs::CreateSession, request_, &answer).ok());
}

TEST_F(SessionListenerTest, ManyAtOnceEachHaveTheirAnswer) {
  constexpr int kCalls = 200;
  struct One {
    grpc::ClientContext context;
    v1::Session answer;
    grpc::Status status;
  };
  std::vector<One> all(kCalls);
  grpc::CompletionQueue queue;
  std::vector<std::unique_ptr<grpc::ClientAsyncResponseReader<v1::Session>>>
      readers;
  for (int i = 0; i < kCalls; ++i) {
    request_.set_session_id(absl::StrCat("s", i));
    readers.push_back(
        quick_->AsyncCreateSession(&all[i].context, request_, &queue));
    readers.back()->Finish(&all[i].answer, &all[i].status, nullptr);
  }
  void* tag = nullptr;
  bool ok = false;
  for (int i = 0; i < kCalls; ++i) ASSERT_TRUE(queue.Next(&tag, &ok));
  for (int i = 0; i < kCalls; ++i) {
    EXPECT_TRUE(all[i].status.ok()) << all[i].status.error_message();
    EXPECT_EQ(all[i].answer.name(),
              absl::StrCat("tenants/default/sessions/s", i));
  }
}

// A session belongs to the loop that has read its request: nobody else has to
// be woken for it. (Loop `i` of `n` has the ports `p` with `(p / 2) % n == i`.)
TEST_F(SessionListenerTest, SessionsAreMadeOnTheLoopOfTheirConnection) {
  const auto loop_of = [](const v1::Session& session) {
    return session.leg_a().local_rtp_port() / 2 % 2;
  };
  const auto other = Quick("signaling_edge");
  v1::Session first;
  ASSERT_TRUE(Call(*quick_, &Stubs::CreateSession, request_, &first).ok());
  v1::Session second;
  ASSERT_TRUE(Call(*other, &Stubs::CreateSession, request_, &second).ok());
  EXPECT_NE(loop_of(first), loop_of(second));
  for (int i = 0; i < 20; ++i) {
    v1::Session made;
    ASSERT_TRUE(Call(*quick_, &Stubs::CreateSession, request_, &made).ok());
    EXPECT_EQ(loop_of(made), loop_of(first));
    EXPECT_EQ(Get(made.name()).name(), made.name());
    ASSERT_TRUE(Call(*other, &Stubs::CreateSession, request_, &made).ok());
    EXPECT_EQ(loop_of(made), loop_of(second));
    // Those of the other loop can be changed and ended here as well.
    v1::UpdateSessionRequest update;
    update.mutable_session()->set_name(made.name());
    update.mutable_session()->mutable_leg_a()->set_direction(
        v1::MEDIA_DIRECTION_INACTIVE);
    v1::Session updated;
    ASSERT_TRUE(Call(*quick_, &Stubs::UpdateSession, update, &updated).ok());
    EXPECT_EQ(updated.leg_a().direction(), v1::MEDIA_DIRECTION_INACTIVE);
    v1::DeleteSessionRequest del;
    del.set_name(made.name());
    ASSERT_TRUE(Call(*quick_, &Stubs::DeleteSession, del, &made).ok());
  }
}

// By a name of the caller's own, which it may use at any loop, they are spread.
TEST_F(SessionListenerTest, OneConnectionHasSessionsOfAllLoops) {
  std::set<uint32_t> loops;
  for (int i = 0; i < 40; ++i) {
    request_.set_session_id(absl::StrCat("s", i));
    v1::Session made;
    ASSERT_TRUE(Call(*quick_, &Stubs::CreateSession, request_, &made).ok());
    loops.insert(made.leg_a().local_rtp_port() / 2 % 2);
    v1::DeleteSessionRequest del;
    del.set_name(made.name());
    ASSERT_TRUE(Call(*quick_, &Stubs::DeleteSession, del, &made).ok());
  }
  EXPECT_EQ(loops.size(), 2u);
}

// Edges are told where it is; while the relay drains, what lives can still be
// changed and ended there.
TEST_F(SessionListenerTest, IsToldOfAndOutlivesTheBeginOfADrain) {
  grpc::ClientContext context;
  v1::WatchLoadRequest watch;
  const auto stream = edge_->WatchLoad(&context, watch);
  v1::WatchLoadResponse load;
  ASSERT_TRUE(stream->Read(&load));
  EXPECT_EQ(load.session_target(),
            absl::StrCat(":", process_.port("sessions")));
  v1::Session made;
  ASSERT_TRUE(Call(*quick_, &Stubs::CreateSession, request_, &made).ok());
  process_.Signal(SIGTERM);
  while (!load.load().draining() && stream->Read(&load)) {
  }
  ASSERT_TRUE(load.load().draining());
  v1::Session answer;
  EXPECT_EQ(ReasonOf(Call(*quick_, &Stubs::CreateSession, request_, &answer)),
            "DRAINING");
  v1::UpdateSessionRequest update;
  update.mutable_session()->set_name(made.name());
  update.mutable_session()->mutable_leg_a()->set_direction(
      v1::MEDIA_DIRECTION_INACTIVE);
  EXPECT_TRUE(Call(*quick_, &Stubs::UpdateSession, update, &answer).ok());
  v1::DeleteSessionRequest del;
  del.set_name(made.name());
  EXPECT_TRUE(Call(*quick_, &Stubs::DeleteSession, del, &answer).ok());
  EXPECT_EQ(process_.Terminate(), 0);
  context.TryCancel();
}

// Of all that the relay may have, one connection can have every session.
class FewSessionsTest : public SessionListenerTest {
 protected:
  std::string ExtraConfig() const override {
    return SessionListenerTest::ExtraConfig() +
           ",\"limits\":{\"max_sessions\":40}";
  }
};

TEST_F(FewSessionsTest, OneConnectionFillsAllLoops) {
  v1::Session made;
  for (int i = 0; i < 40; ++i) {
    ASSERT_TRUE(Call(*quick_, &Stubs::CreateSession, request_, &made).ok())
        << i;
  }
  EXPECT_TRUE(absl::IsResourceExhausted(
      Call(*quick_, &Stubs::CreateSession, request_, &made)));
}

}  // namespace
}  // namespace sallyport::media_relay
