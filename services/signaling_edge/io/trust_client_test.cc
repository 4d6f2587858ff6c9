// The client against a capf of its own, in this process.

#include "services/signaling_edge/io/trust_client.h"

#include <gtest/gtest.h>
#include <openssl/mem.h>
#include <openssl/x509.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/security/credentials.h"
#include "grpcpp/security/server_credentials.h"
#include "grpcpp/server.h"
#include "grpcpp/server_builder.h"
#include "sallyport/capf/v1/capf_service.grpc.pb.h"
#include "services/common/rpc/callback_queue.h"
#include "services/common/status/error_reason.h"
#include "services/common/testing/test_certs.h"

namespace sallyport::signaling_edge {
namespace {

namespace pb = ::sallyport::capf::v1;

std::string IssuerOf(const std::string& der) {
  const uint8_t* at = reinterpret_cast<const uint8_t*>(der.data());
  bssl::UniquePtr<X509> certificate(
      d2i_X509(nullptr, &at, static_cast<long>(der.size())));
  uint8_t* out = nullptr;
  const int length =
      i2d_X509_NAME(X509_get_issuer_name(certificate.get()), &out);
  const bssl::UniquePtr<uint8_t> owned(out);
  return {reinterpret_cast<const char*>(out), static_cast<size_t>(length)};
}

class FakeCapf final : public pb::CapfService::Service {
 public:
  grpc::Status WatchTrustBundle(
      grpc::ServerContext* context, const pb::WatchTrustBundleRequest* request,
      grpc::ServerWriter<pb::WatchTrustBundleResponse>* writer) override {
    size_t sent = 0;
    {
      absl::MutexLock lock(&mutex_);
      known.push_back(request->known_version());
    }
    while (!context->IsCancelled()) {
      pb::WatchTrustBundleResponse next;
      {
        absl::MutexLock lock(&mutex_);
        auto more = [&] { return script.size() > sent; };
        if (!mutex_.AwaitWithTimeout(absl::Condition(&more),
                                     absl::Milliseconds(50))) {
          continue;
        }
        next = script[sent++];
      }
      writer->Write(next);
    }
    return grpc::Status::OK;
  }
  grpc::Status ReportTrustVersion(
      grpc::ServerContext* /*context*/,
      const pb::ReportTrustVersionRequest* request,
      pb::ReportTrustVersionResponse* /*response*/) override {
    absl::MutexLock lock(&mutex_);
    reported.push_back(*request);
    return grpc::Status::OK;
  }
  void Send(const pb::WatchTrustBundleResponse& message) {
    absl::MutexLock lock(&mutex_);
    script.push_back(message);
  }

  absl::Mutex mutex_;
  std::vector<pb::WatchTrustBundleResponse> script;
  std::vector<pb::ReportTrustVersionRequest> reported;
  std::vector<int64_t> known;
};

class TrustClientTest : public testing::Test {
 protected:
  void SetUp() override {
    PinCallbackQueue();
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(),
                             &port_);
    builder.RegisterService(&capf_);
    server_ = builder.BuildAndStart();
  }
  void TearDown() override {
    server_->Shutdown(absl::ToChronoTime(absl::Now()));
  }

  std::unique_ptr<TrustClient> Client(bool with_channel = true) {
    TrustClient::Options options;
    if (with_channel) {
      options.channel = grpc::CreateChannel(absl::StrCat("127.0.0.1:", port_),
                                            grpc::InsecureChannelCredentials());
    }
    options.consumer = "edge-0";
    options.cache_file = absl::StrCat(
        testing::TempDir(), "/",
        testing::UnitTest::GetInstance()->current_test_info()->name());
    options.fixed = fixed_;
    options.max_backoff = absl::Milliseconds(100);
    options.on_trust = [this](std::shared_ptr<const TrustBundle> bundle,
                              bool from_cache) {
      absl::MutexLock lock(&mutex_);
      seen_.emplace_back(std::move(bundle), from_cache);
    };
    auto client = TrustClient::Create(std::move(options));
    EXPECT_TRUE(client.ok()) << client.status();
    return client.ok() ? *std::move(client) : nullptr;
  }

  std::shared_ptr<const TrustBundle> WaitForVersion(int64_t version) {
    absl::MutexLock lock(&mutex_);
    auto there = [&] {
      return !seen_.empty() && seen_.back().first->version() == version;
    };
    return mutex_.AwaitWithTimeout(absl::Condition(&there), absl::Seconds(10))
               ? seen_.back().first
               : nullptr;
  }

  static pb::WatchTrustBundleResponse Full(int64_t version,
                                           const std::string& name,
                                           const std::string& der) {
    pb::WatchTrustBundleResponse out;
    out.set_version(version);
    out.set_full(true);
    out.add_stores()->set_name(name);
    out.mutable_stores(0)->add_certificates(der);
    return out;
  }

  FakeCapf capf_;
  std::unique_ptr<grpc::Server> server_;
  int port_ = 0;
  StaticTrustStores fixed_;
  absl::Mutex mutex_;
  std::vector<std::pair<std::shared_ptr<const TrustBundle>, bool>> seen_;
};

constexpr char kPeersOfA[] = "tenants/a/trustStores/CallManager-trust";

TEST_F(TrustClientTest, ATenantsRootVouchesForThatTenantOnly) {
  TestCa ca("CA");
  const TestCertificate leaf = ca.IssueDns("gw.example.test");
  capf_.Send(Full(3, kPeersOfA, ca.certificate().der));
  auto client = Client();
  const auto bundle = WaitForVersion(3);
  ASSERT_NE(bundle, nullptr);
  const std::vector<std::string> chain = {leaf.der};
  const auto verify = [&](const char* tenant, std::string_view store) {
    return bundle
        ->Verify(tenant, store, chain, CertificatePurpose::kAny, absl::Now())
        .status();
  };
  EXPECT_TRUE(verify("tenants/a", kPeerTrustStore).ok());
  EXPECT_EQ(ReasonOf(verify("tenants/b", kPeerTrustStore)),
            "PEER_CERTIFICATE_UNTRUSTED");
  EXPECT_EQ(ReasonOf(verify("tenants/a", kPhoneTrustStore)),
            "PEER_CERTIFICATE_UNTRUSTED");
  EXPECT_TRUE(
      bundle->any()->Verify(chain, CertificatePurpose::kAny, absl::Now()).ok());
  EXPECT_TRUE(bundle->SomebodyTrusts(kPeerTrustStore, chain,
                                     CertificatePurpose::kAny, absl::Now()));
  EXPECT_FALSE(bundle->SomebodyTrusts(kPhoneTrustStore, chain,
                                      CertificatePurpose::kAny, absl::Now()));
  client->ReportActive(3);
  for (int i = 0; i < 500; ++i) {
    absl::SleepFor(absl::Milliseconds(10));
    absl::MutexLock lock(&capf_.mutex_);
    if (!capf_.reported.empty()) break;
  }
  absl::MutexLock lock(&capf_.mutex_);
  ASSERT_FALSE(capf_.reported.empty());
  EXPECT_EQ(capf_.reported[0].active_version(), 3);
}

TEST_F(TrustClientTest, PartsReplaceStoresAndAddRevocations) {
  TestCa first("first"), second("second");
  const TestCertificate leaf = second.IssueDns("gw.example.test");
  capf_.Send(Full(1, kPeersOfA, first.certificate().der));
  pb::WatchTrustBundleResponse part =
      Full(2, kPeersOfA, second.certificate().der);
  part.set_full(false);
  capf_.Send(part);
  pb::WatchTrustBundleResponse heartbeat;
  heartbeat.set_version(2);
  capf_.Send(heartbeat);
  auto client = Client();
  auto bundle = WaitForVersion(2);
  ASSERT_NE(bundle, nullptr);
  EXPECT_TRUE(bundle
                  ->Verify("tenants/a", kPeerTrustStore, {leaf.der},
                           CertificatePurpose::kAny, absl::Now())
                  .ok());
  EXPECT_FALSE(bundle->IsRevokedCertificate(leaf.der));

  pb::WatchTrustBundleResponse revoke;
  revoke.set_version(3);
  revoke.add_revoked()->set_issuer(IssuerOf(leaf.der));
  revoke.mutable_revoked(0)->set_serial("\x10\x01");  // TestCa's first
  capf_.Send(revoke);
  bundle = WaitForVersion(3);
  ASSERT_NE(bundle, nullptr);
  EXPECT_TRUE(bundle->IsRevokedCertificate(leaf.der));
  EXPECT_TRUE(bundle->IsRevokedCertificate("not a certificate"));

  // A hold that ended counts by push.
  pb::WatchTrustBundleResponse restore;
  restore.set_version(4);
  *restore.add_restored() = revoke.revoked(0);
  restore.add_coverage()->set_issuer(IssuerOf(leaf.der));
  capf_.Send(restore);
  bundle = WaitForVersion(4);
  ASSERT_NE(bundle, nullptr);
  EXPECT_FALSE(bundle->IsRevokedCertificate(leaf.der));
}

TEST_F(TrustClientTest, StartsFromDiskAndFromFixedTrust) {
  TestCa ca("CA"), fixed("fixed");
  const TestCertificate leaf = fixed.IssueDns("gw.example.test");
  fixed_["CallManager-trust"] = {fixed.certificate().der};
  capf_.Send(Full(9, kPeersOfA, ca.certificate().der));
  {
    auto client = Client();
    ASSERT_NE(WaitForVersion(9), nullptr);
  }
  seen_.clear();
  auto client = Client(/*with_channel=*/false);
  ASSERT_EQ(seen_.size(), 2u);
  EXPECT_EQ(seen_[0].first->version(), 0);
  EXPECT_EQ(seen_[1].first->version(), 9);
  EXPECT_TRUE(seen_[1].second);
  EXPECT_TRUE(client->status().from_cache);
  for (const char* tenant : {"tenants/a", "tenants/other"}) {
    EXPECT_TRUE(seen_[1]
                    .first
                    ->Verify(tenant, kPeerTrustStore, {leaf.der},
                             CertificatePurpose::kAny, absl::Now())
                    .ok());
  }
}

TEST_F(TrustClientTest, WhatCannotBeReadDoesNotTakeEffect) {
  TestCa ca("CA");
  capf_.Send(Full(1, kPeersOfA, ca.certificate().der));
  capf_.Send(Full(2, kPeersOfA, "garbage"));
  auto client = Client();
  ASSERT_NE(WaitForVersion(1), nullptr);
  for (int i = 0; i < 500; ++i) {
    absl::SleepFor(absl::Milliseconds(10));
    absl::MutexLock lock(&capf_.mutex_);
    if (capf_.known.size() >= 2) break;
  }
  absl::MutexLock lock(&mutex_);
  EXPECT_EQ(seen_.back().first->version(), 1);
}

}  // namespace
}  // namespace sallyport::signaling_edge
