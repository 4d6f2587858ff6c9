#include "services/common/rpc/dispatch_service.h"

#include <cstdint>
#include <memory>
#include <string>
#include <thread>

#include "absl/synchronization/notification.h"
#include "gmock/gmock.h"
#include "grpcpp/channel.h"
#include "grpcpp/client_context.h"
#include "grpcpp/generic/generic_stub.h"
#include "grpcpp/impl/codegen/proto_utils.h"
#include "grpcpp/server.h"
#include "grpcpp/server_builder.h"
#include "gtest/gtest.h"
#include "sallyport/credential_issuer/v1/credential_issuer_service.grpc.pb.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_grpc.h"
#include "services/common/status/status_matchers.h"

namespace sallyport {
namespace {

namespace pb = ::sallyport::credential_issuer::v1;
using google::protobuf::Message;

// Sends one message, then ends.
class OneMessage final : public DispatchService::WriteReactor {
 public:
  explicit OneMessage(int64_t version) {
    pb::WatchVerificationKeysResponse message;
    message.set_version(version);
    const grpc::Slice slice(message.SerializeAsString());
    message_ = grpc::ByteBuffer(&slice, 1);
    StartWriteAndFinish(&message_, grpc::WriteOptions(), grpc::Status::OK);
  }
  void OnDone() override { delete this; }

 private:
  grpc::ByteBuffer message_;
};

class Issuer final : public DispatchService {
 public:
  Issuer()
      : DispatchService(
            *pb::GetKeyRequest::descriptor()->file()->pool()->FindServiceByName(
                "sallyport.credential_issuer.v1.CredentialIssuerService")) {
    HandleUnary("GetKey", [](grpc::CallbackServerContext&, const Message& in,
                             Message& out, const Done& done) {
      const auto& request = static_cast<const pb::GetKeyRequest&>(in);
      if (request.name() == "none") {
        return done(MakeError(absl::StatusCode::kNotFound, "KEY_NOT_FOUND",
                              "there is no such key"));
      }
      static_cast<pb::Key&>(out).set_name(request.name());
      done(absl::OkStatus());
    });
    // Later, on another thread.
    HandleUnary(
        "RotateKey", [this](grpc::CallbackServerContext&, const Message& in,
                            Message& out, Done done) {
          if (worker_.joinable()) worker_.join();
          worker_ = std::thread([&in, &out, done = std::move(done)] {
            static_cast<pb::Key&>(out).set_name(
                static_cast<const pb::RotateKeyRequest&>(in).request_id());
            done(absl::OkStatus());
          });
        });
    HandleStream("WatchVerificationKeys", [](grpc::CallbackServerContext*,
                                             const grpc::ByteBuffer* in) {
      pb::WatchVerificationKeysRequest request;
      grpc::ByteBuffer octets = *in;
      EXPECT_TRUE(
          grpc::SerializationTraits<
              pb::WatchVerificationKeysRequest>::Deserialize(&octets, &request)
              .ok());
      return new OneMessage(request.known_version() + 1);
    });
  }
  ~Issuer() override {
    if (worker_.joinable()) worker_.join();
  }

 private:
  std::thread worker_;
};

class DispatchServiceTest : public testing::Test {
 protected:
  DispatchServiceTest() {
    grpc::ServerBuilder builder;
    builder.RegisterService(&issuer_);
    server_ = builder.BuildAndStart();
    channel_ = server_->InProcessChannel(grpc::ChannelArguments());
    stub_ = pb::CredentialIssuerService::NewStub(channel_);
  }
  ~DispatchServiceTest() override { server_->Shutdown(); }

  Issuer issuer_;
  std::unique_ptr<grpc::Server> server_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<pb::CredentialIssuerService::Stub> stub_;
};

TEST_F(DispatchServiceTest, AnswersAtOnceAndLater) {
  for (int i = 0; i < 100; ++i) {
    grpc::ClientContext context;
    pb::GetKeyRequest request;
    request.set_name("keys/1");
    pb::Key key;
    ASSERT_THAT(FromGrpc(stub_->GetKey(&context, request, &key)), IsOk());
    EXPECT_EQ(key.name(), "keys/1");
    grpc::ClientContext later;
    pb::RotateKeyRequest rotate;
    rotate.set_request_id("abc");
    ASSERT_THAT(FromGrpc(stub_->RotateKey(&later, rotate, &key)), IsOk());
    EXPECT_EQ(key.name(), "abc");
  }
}

TEST_F(DispatchServiceTest, ErrorsKeepTheirReason) {
  grpc::ClientContext context;
  pb::GetKeyRequest request;
  request.set_name("none");
  pb::Key key;
  EXPECT_THAT(FromGrpc(stub_->GetKey(&context, request, &key)),
              HasReason("KEY_NOT_FOUND"));
}

TEST_F(DispatchServiceTest, StreamsAreOpened) {
  grpc::ClientContext context;
  pb::WatchVerificationKeysRequest request;
  request.set_known_version(41);
  const auto stream = stub_->WatchVerificationKeys(&context, request);
  pb::WatchVerificationKeysResponse message;
  ASSERT_TRUE(stream->Read(&message));
  EXPECT_EQ(message.version(), 42);
  EXPECT_FALSE(stream->Read(&message));
  EXPECT_THAT(FromGrpc(stream->Finish()), IsOk());
}

TEST_F(DispatchServiceTest, MethodsWithoutHandlerAreUnimplemented) {
  grpc::ClientContext context;
  pb::IssuerStatus status;
  EXPECT_EQ(
      stub_->GetStatus(&context, pb::GetStatusRequest(), &status).error_code(),
      grpc::StatusCode::UNIMPLEMENTED);
}

// Handlers may come while the server runs.
TEST(DispatchServiceGate, AnswersItsStatusUntilOpen) {
  class Late final : public DispatchService {
   public:
    Late()
        : DispatchService(
              *pb::GetKeyRequest::descriptor()
                   ->file()
                   ->pool()
                   ->FindServiceByName("sallyport.credential_issuer.v1."
                                       "CredentialIssuerService")) {
      CloseWith(MakeError(absl::StatusCode::kUnavailable, "STORE_UNAVAILABLE",
                          "not yet"));
    }
    void Begin() {
      HandleUnary("GetKey",
                  [](grpc::CallbackServerContext&, const Message&, Message&,
                     const Done& done) { done(absl::OkStatus()); });
      Open();
    }
  };
  Late late;
  grpc::ServerBuilder builder;
  builder.RegisterService(&late);
  const auto server = builder.BuildAndStart();
  const auto stub = pb::CredentialIssuerService::NewStub(
      server->InProcessChannel(grpc::ChannelArguments()));
  const auto get = [&stub] {
    grpc::ClientContext context;
    pb::Key key;
    return FromGrpc(stub->GetKey(&context, pb::GetKeyRequest(), &key));
  };
  EXPECT_THAT(get(), HasReason("STORE_UNAVAILABLE"));
  {
    grpc::ClientContext context;
    const auto stream = stub->WatchVerificationKeys(
        &context, pb::WatchVerificationKeysRequest());
    pb::WatchVerificationKeysResponse message;
    EXPECT_FALSE(stream->Read(&message));
    EXPECT_THAT(FromGrpc(stream->Finish()), HasReason("STORE_UNAVAILABLE"));
  }
  late.Begin();
  EXPECT_THAT(get(), IsOk());
}

TEST(DispatchServiceStreams, WithoutHandlerAreUnimplemented) {
  class Nothing final : public DispatchService {
   public:
    Nothing()
        : DispatchService(
              *pb::GetKeyRequest::descriptor()
                   ->file()
                   ->pool()
                   ->FindServiceByName("sallyport.credential_issuer.v1."
                                       "CredentialIssuerService")) {}
  };
  Nothing nothing;
  grpc::ServerBuilder builder;
  builder.RegisterService(&nothing);
  const auto server = builder.BuildAndStart();
  const auto stub = pb::CredentialIssuerService::NewStub(
      server->InProcessChannel(grpc::ChannelArguments()));
  grpc::ClientContext context;
  const auto stream =
      stub->WatchVerificationKeys(&context, pb::WatchVerificationKeysRequest());
  pb::WatchVerificationKeysResponse message;
  EXPECT_FALSE(stream->Read(&message));
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::UNIMPLEMENTED);
}

TEST_F(DispatchServiceTest, WhatIsNoRequestIsRefused) {
  grpc::TemplatedGenericStub<grpc::ByteBuffer, grpc::ByteBuffer> stub(channel_);
  const grpc::Slice slice(std::string("\x0a\x7fshort"));
  const grpc::ByteBuffer request(&slice, 1);
  grpc::ByteBuffer response;
  grpc::ClientContext context;
  absl::Status status;
  absl::Notification done;
  stub.UnaryCall(&context,
                 "/sallyport.credential_issuer.v1.CredentialIssuerService/"
                 "GetKey",
                 grpc::StubOptions(), &request, &response, [&](grpc::Status s) {
                   status = FromGrpc(s);
                   done.Notify();
                 });
  done.WaitForNotification();
  EXPECT_THAT(status, HasReason("REQUEST_MALFORMED"));
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument));
}

}  // namespace
}  // namespace sallyport
