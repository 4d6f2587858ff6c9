// The decision listener of the real process: the same answers, rights and
// drain as the gRPC server beside it has, for clients that others wrote.

#include <array>
#include <cstdio>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "google/rpc/error_details.pb.h"
#include "grpcpp/client_context.h"
#include "gtest/gtest.h"
#include "sallyport/dialplan/v1/dialplan_service.grpc.pb.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_grpc.h"
#include "services/common/status/status_matchers.h"
#include "services/common/testing/mtls_pki.h"
#include "services/dialplan/process_fixture.h"

namespace sallyport::dialplan {
namespace {

using ::testing::HasSubstr;

class DecisionsTest : public DialplanTest {
 protected:
  void SetUp() override {
    WriteConfig(
        ",\"decision_listener\":{\"listen_address\":\"127.0.0.1:0\","
        "\"busy_poll\":\"0.001s\",\"cpu\":0}");
    // Other clients insist on a host name.
    pki_->Issue("dialplan", "URI:spiffe://t.test/dialplan,DNS:dialplan.test");
    Start();
    target_ = absl::StrCat("127.0.0.1:", process_.port("decisions"));
    quick_ = QuickStub("operator/ann");
    MakeDemo();
    question_.set_parent("tenants/t");
    question_.set_user("tenants/t/users/1001");
    question_.set_called_number("912025550123");
  }

  std::unique_ptr<Stub> QuickStub(const std::string& path) {
    return pb::DialplanService::NewStub(ChannelAs(*pki_, path, target_));
  }
  absl::Status Ask(const pb::ResolveRouteRequest& question,
                   pb::ResolveRouteResponse* answer, Stub* stub = nullptr) {
    return Call(&Stub::ResolveRoute, question, answer,
                stub == nullptr ? quick_.get() : stub);
  }
  // What the command prints, and its exit status.
  static std::string Output(const std::string& command) {
    std::FILE* pipe = popen((command + " 2>&1").c_str(), "r");
    std::string out;
    std::array<char, 4096> buffer;
    while (const size_t size =
               std::fread(buffer.data(), 1, buffer.size(), pipe)) {
      out.append(buffer.data(), size);
    }
    return absl::StrCat(out, "\nexit ", pclose(pipe));
  }

  std::string target_;
  std::unique_ptr<Stub> quick_;
  pb::ResolveRouteRequest question_;
};

TEST_F(DecisionsTest, AnswersAsTheOtherPortDoes) {
  for (const bool explain : {false, true}) {
    question_.set_explain(explain);
    pb::ResolveRouteResponse quick;
    pb::ResolveRouteResponse other;
    ASSERT_THAT(Ask(question_, &quick), IsOk());
    ASSERT_THAT(Ask(question_, &other, ann_.get()), IsOk());
    EXPECT_EQ(quick.decision(), pb::ROUTE_DECISION_ROUTED);
    EXPECT_EQ(quick.SerializeAsString(), other.SerializeAsString());
  }
  pb::ResolveRouteRequest bad;
  bad.set_parent("tenants/none");
  bad.set_called_number("1");
  pb::ResolveRouteResponse ignored;
  const absl::Status quick = Ask(bad, &ignored);
  const absl::Status other = Ask(bad, &ignored, ann_.get());
  EXPECT_EQ(quick, other);
  EXPECT_EQ(ReasonOf(quick), ReasonOf(other));
}

// What is acknowledged counts for the next question (issue 3).
TEST_F(DecisionsTest, AnswersByTodaysPlan) {
  pb::ResolveRouteResponse answer;
  for (int i = 0; i < 20; ++i) {
    pb::UpdatePeerRequest update;
    update.mutable_peer()->set_name("tenants/t/peers/gw");
    update.mutable_peer()->set_status(i % 2 == 0 ? pb::PEER_STATUS_DISABLED
                                                 : pb::PEER_STATUS_ENABLED);
    pb::Peer peer;
    ASSERT_THAT(Call(&Stub::UpdatePeer, update, &peer), IsOk());
    ASSERT_THAT(Ask(question_, &answer), IsOk());
    ASSERT_EQ(answer.reason(), i % 2 == 0 ? "PEER_DISABLED" : "");
  }
}

TEST_F(DecisionsTest, HasTheSameRights) {
  pb::ResolveRouteResponse answer;
  // vera is a viewer of another tenant, oscar an operator of this one.
  EXPECT_THAT(Ask(question_, &answer, QuickStub("operator/vera").get()),
              HasReason("TENANT_NOT_ALLOWED"));
  EXPECT_THAT(Ask(question_, &answer, QuickStub("operator/oscar").get()),
              IsOk());
  EXPECT_THAT(Ask(question_, &answer, QuickStub("operator/nobody").get()),
              HasReason("ROLE_TOO_LOW"));
  EXPECT_THAT(Ask(question_, &answer, QuickStub("signaling_edge").get()),
              HasReason("CALLER_NOT_ACCEPTED"));
  pb::Peer peer;
  pb::GetPeerRequest get;
  get.set_name("tenants/t/peers/gw");
  EXPECT_THAT(Call(&Stub::GetPeer, get, &peer, quick_.get()),
              HasReason("METHOD_NOT_IMPLEMENTED"));
}

TEST_F(DecisionsTest, AnswersAStreamAndEndsItAtADrain) {
  grpc::ClientContext context;
  const auto stream = quick_->ResolveRoutes(&context);
  pb::ResolveRoutesRequest questions;
  for (int i = 0; i < 100; ++i) *questions.add_questions() = question_;
  questions.mutable_questions(7)->set_parent("tenants/u");
  int results = 0;
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(stream->Write(questions));
  pb::ResolveRoutesResponse answers;
  while (results < 5000 && stream->Read(&answers)) {
    for (const pb::ResolveRouteResult& result : answers.results()) {
      if (results++ % 100 == 7) {
        google::rpc::ErrorInfo info;
        ASSERT_TRUE(result.error().details(0).UnpackTo(&info));
      } else {
        ASSERT_EQ(result.response().decision(), pb::ROUTE_DECISION_ROUTED);
      }
    }
  }
  EXPECT_EQ(results, 5000);
  ASSERT_EQ(process_.Terminate(), 0);
  EXPECT_FALSE(stream->Read(&answers));
  EXPECT_THAT(FromGrpc(stream->Finish()), HasReason("DRAINING"));
}

TEST_F(DecisionsTest, AStreamWithTooManyQuestionsIsEnded) {
  grpc::ClientContext context;
  const auto stream = quick_->ResolveRoutes(&context);
  pb::ResolveRoutesRequest questions;
  for (int i = 0; i < 101; ++i) *questions.add_questions() = question_;
  ASSERT_TRUE(stream->Write(questions));
  pb::ResolveRoutesResponse answers;
  EXPECT_FALSE(stream->Read(&answers));
  EXPECT_THAT(FromGrpc(stream->Finish()), HasReason("VALUE_INVALID"));
}

// Clients of others: Python's grpcio, and nghttp, which knows no gRPC.
TEST_F(DecisionsTest, OtherClientsAreAnswered) {
  const PemFiles files = pki_->IssueSpiffe(kTrustDomain, "operator/ann");
  const std::string body = question_.SerializeAsString();
  const std::string question = process_.folder() + "/question";
  std::ofstream(question, std::ios::binary) << body;
  const std::string python = Output(
      absl::StrCat("python3 services/dialplan/grpcio_client.py ", target_, " ",
                   files.ca_file, " ", files.certificate_file, " ",
                   files.key_file, " ", question));
  EXPECT_THAT(python, HasSubstr("unary 200 alike"));
  EXPECT_THAT(python, HasSubstr("stream 200 alike"));
  EXPECT_THAT(python, HasSubstr("deadline DEADLINE_EXCEEDED or OK"));
  EXPECT_THAT(python, HasSubstr("unknown StatusCode.PERMISSION_DENIED"));
  EXPECT_THAT(python, HasSubstr("health 0801"));
  EXPECT_THAT(python, HasSubstr("exit 0"));

  std::string framed(1, '\0');
  for (int shift = 24; shift >= 0; shift -= 8) {
    framed.push_back(static_cast<char>(body.size() >> shift & 0xff));
  }
  const std::string message = process_.folder() + "/message";
  std::ofstream(message, std::ios::binary) << framed + body;
  const auto nghttp = [&](const std::string& type) {
    return Output(absl::StrCat(
        "nghttp -v --cert=", files.certificate_file, " --key=", files.key_file,
        " -d ", message, " -H 'content-type: ", type,
        "' -H 'te: trailers' https://", target_,
        "/sallyport.dialplan.v1.DialplanService/ResolveRoute"));
  };
  EXPECT_THAT(nghttp("application/grpc"), HasSubstr("grpc-status: 0"));
  EXPECT_THAT(nghttp("application/json"), HasSubstr(":status: 415"));
}

}  // namespace
}  // namespace sallyport::dialplan
