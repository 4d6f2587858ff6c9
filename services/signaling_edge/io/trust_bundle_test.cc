#include "services/signaling_edge/io/trust_bundle.h"

#include <openssl/mem.h>
#include <openssl/nid.h>
#include <openssl/x509.h>
#include <time.h>

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "sallyport/capf/v1/trust_bundle.pb.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/config/proto_time.h"
#include "services/common/status/status_matchers.h"
#include "services/common/testing/test_certs.h"
#include "services/common/testing/test_indirect_crl.h"
#include "services/common/tls/trust_anchors.h"

namespace sallyport::signaling_edge {
namespace {

namespace pb = ::sallyport::capf::v1;

constexpr char kTenant[] = "tenants/a";
const absl::Time kNow = absl::FromUnixSeconds(1'800'000'000);

// Of the issuer of `der`, in DER.
std::string IssuerOf(const std::string& der) {
  const uint8_t* at = AsBytes(der).data();
  const bssl::UniquePtr<X509> one(
      d2i_X509(nullptr, &at, static_cast<long>(der.size())));
  uint8_t* name = nullptr;
  const int size = i2d_X509_NAME(X509_get_issuer_name(one.get()), &name);
  const bssl::UniquePtr<uint8_t> owned(name);
  return {reinterpret_cast<const char*>(name), static_cast<size_t>(size)};
}

absl::Duration ThreadTime() {
  timespec out = {};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &out);
  return absl::DurationFromTimespec(out);
}

class TrustBundleTest : public testing::Test {
 protected:
  TrustBundleTest() {
    pb::TrustStoreContents& store = *contents_.add_stores();
    store.set_name("tenants/a/trustStores/CAPF-trust");
    store.add_certificates(root_.certificate().der);
    store.set_hard_revocation(true);
  }

  absl::StatusOr<absl::Time> Verify(const std::vector<std::string>& chain,
                                    absl::Time now = kNow) {
    const auto bundle = TrustBundle::Make(contents_, {});
    EXPECT_THAT(bundle.status(), IsOk());
    return (*bundle)->Verify(kTenant, kPhoneTrustStore, chain,
                             CertificatePurpose::kTlsClient, now);
  }
  pb::RevocationCoverage& Cover(const std::string& issuer) {
    pb::RevocationCoverage& out = *contents_.add_coverage();
    out.set_issuer(issuer);
    return out;
  }

  TestCa root_{"Root"};
  TestCa middle_ = root_.IssueCa("Middle");
  pb::WatchTrustBundleResponse contents_;
};

// UM-27: hard is refused while nobody can tell, and when what was told is old.
TEST_F(TrustBundleTest, AHardStoreWantsAWordOnEveryMember) {
  const TestCertificate phone = root_.IssueDns("phone.example.test");
  EXPECT_THAT(Verify({phone.der}), HasReason("PEER_REVOCATION_UNKNOWN"));
  contents_.mutable_stores(0)->set_hard_revocation(false);
  EXPECT_THAT(Verify({phone.der}), IsOk());
  contents_.mutable_stores(0)->set_hard_revocation(true);

  const absl::Time until = kNow + absl::Hours(1);
  pb::RevocationCoverage& root = Cover(IssuerOf(phone.der));
  *root.mutable_leaf_until_time() = ToProto(until);
  EXPECT_THAT(Verify({phone.der}), IsOk());
  // The anchor itself needs no word, whoever sends it along.
  EXPECT_THAT(Verify({phone.der, root_.certificate().der}), IsOk());
  EXPECT_THAT(Verify({phone.der}, until), HasReason("PEER_REVOCATION_UNKNOWN"));

  // An authority in between needs its own, as authorities' do.
  const TestCertificate below = middle_.IssueDns("phone.example.test");
  const std::vector<std::string> chain = {below.der, middle_.certificate().der};
  *Cover(IssuerOf(below.der)).mutable_leaf_until_time() = ToProto(until);
  EXPECT_THAT(Verify(chain), HasReason("PEER_REVOCATION_UNKNOWN"));
  *contents_.mutable_coverage(0)->mutable_authority_until_time() =
      ToProto(until);
  EXPECT_THAT(Verify(chain), IsOk());
}

// RFC 5280 section 5.2.5: another signs the lists of an issuer, whose
// certificates say so.
TEST_F(TrustBundleTest, AnothersWordCountsForWhoNamesIt) {
  const TestCertificate lists = root_.IssueDns("lists.example.test");
  TestCertificateSpec spec = {.common_name = "phone"};
  const long serial = root_.next_serial();
  const TestCertificate silent = root_.Issue(spec);
  spec.extensions = {{NID_crl_distribution_points, IndirectPoint(lists)}};
  const TestCertificate names = root_.Issue(spec);
  const TestCertificate good = root_.Issue(spec);

  const absl::Time until = kNow + absl::Hours(1);
  pb::RevocationCoverage& cover = Cover(IssuerOf(names.der));
  *cover.mutable_leaf_until_time() = ToProto(until);
  cover.set_crl_issuer(SubjectDer(lists));
  EXPECT_THAT(Verify({names.der}), IsOk());
  EXPECT_THAT(Verify({names.der}, until), HasReason("PEER_REVOCATION_UNKNOWN"));
  EXPECT_THAT(Verify({silent.der}), HasReason("PEER_REVOCATION_UNKNOWN"));
  cover.set_crl_issuer(IssuerOf(names.der));
  EXPECT_THAT(Verify({names.der}), HasReason("PEER_REVOCATION_UNKNOWN"));
  cover.set_crl_issuer(SubjectDer(lists));

  const auto before = TrustBundle::Make(contents_, {});
  ASSERT_THAT(before.status(), IsOk());
  for (const long number : {serial, serial + 1}) {
    pb::RevokedCertificate& revoked = *contents_.add_revoked();
    revoked.set_issuer(IssuerOf(names.der));
    revoked.set_crl_issuer(SubjectDer(lists));
    revoked.set_serial(
        {static_cast<char>(number >> 8), static_cast<char>(number & 0xff)});
  }
  const auto after = TrustBundle::Make(contents_, {}, before->get());
  ASSERT_THAT(after.status(), IsOk());
  EXPECT_TRUE((*after)->IsRevokedCertificate(names.der));
  EXPECT_FALSE((*after)->IsRevokedCertificate(silent.der));
  EXPECT_FALSE((*after)->IsRevokedCertificate(good.der));
  EXPECT_FALSE((*before)->IsRevokedCertificate(names.der));
  EXPECT_TRUE((*after)->MayHaveChanged({{names.der}}));
}

TEST_F(TrustBundleTest, SerialsOfAnyLengthAreFound) {
  std::vector<std::string> serials;
  for (int i = 1; i <= 1000; ++i) {
    std::string serial;
    for (int rest = i * 7919; rest > 0; rest /= 256) {
      serial.insert(serial.begin(), static_cast<char>(rest % 256));
    }
    if (i % 3 == 0) serial.insert(0, "\x42 and sixteen more");
    serials.push_back(serial);
    pb::RevokedCertificate& one = *contents_.add_revoked();
    one.set_issuer(i % 2 == 0 ? "even" : "odd");
    // Some write the sign octet, and some say a thing twice.
    one.set_serial(i % 5 == 0 ? std::string(1, '\0') + serial : serial);
    if (i % 10 == 0) *contents_.add_revoked() = one;
  }
  const auto bundle = TrustBundle::Make(contents_, {}).value();
  EXPECT_EQ(bundle->revoked_count(), 1000u);
  for (int i = 1; i <= 1000; ++i) {
    const std::string& serial = serials[static_cast<size_t>(i - 1)];
    const char* const issuer = i % 2 == 0 ? "even" : "odd";
    EXPECT_TRUE(bundle->IsRevoked(issuer, serial)) << i;
    EXPECT_TRUE(bundle->IsRevoked(issuer, std::string(2, '\0') + serial));
    EXPECT_FALSE(bundle->IsRevoked(i % 2 == 0 ? "odd" : "even", serial)) << i;
    EXPECT_FALSE(bundle->IsRevoked(issuer, serial + "x")) << i;
  }
  EXPECT_FALSE(bundle->IsRevoked("even", ""));
}

// A public authority's list: half a million entries are 13 MB here, and the
// whole is made anew for each message of the stream.
TEST_F(TrustBundleTest, ALongListIsTakenOverQuickly) {
  std::string serial = "0123456789abcdef";
  for (int i = 0; i < 500'000; ++i) {
    for (size_t at = 0; at < 4; ++at) {
      serial[at] = static_cast<char>(1 + (i * 2654435761u >> (8 * at)) % 255);
    }
    pb::RevokedCertificate& one = *contents_.add_revoked();
    one.set_issuer("issuer");
    one.set_serial(serial);
  }
  // The thread's own time: what else the machine does is not the question.
  const absl::Duration begin = ThreadTime();
  const auto bundle = TrustBundle::Make(contents_, {}).value();
  EXPECT_LT(ThreadTime() - begin, absl::Seconds(3));
  EXPECT_TRUE(bundle->IsRevoked("issuer", serial));
}

// "A removed, changed or revoked peer loses its connections within a second":
// what was verified costs no signature again, whatever becomes of its anchor.
TEST_F(TrustBundleTest, AChangeOfTrustCostsLiveChainsNoSignature) {
  contents_.mutable_stores(0)->set_hard_revocation(false);
  std::vector<std::vector<std::string>> chains;
  for (int i = 0; i < 20; ++i) {
    chains.push_back(
        {middle_.IssueDns("a.test").der, middle_.certificate().der});
  }
  const auto good = [&](const TrustBundle& bundle) {
    size_t count = 0;
    for (const auto& chain : chains) {
      const bool any = bundle.any()
                           ->Verify(chain, CertificatePurpose::kTlsClient, kNow)
                           .ok();
      const bool own = bundle
                           .Verify(kTenant, kPhoneTrustStore, chain,
                                   CertificatePurpose::kTlsClient, kNow)
                           .ok();
      EXPECT_EQ(any, own);
      count += own ? 1 : 0;
    }
    return count;
  };
  auto bundle = TrustBundle::Make(contents_, {}).value();
  EXPECT_EQ(good(*bundle), 20u);
  EXPECT_EQ(bundle->any()->signatures_checked(), 21u)
      << "of twenty leaves and one above, for both stores";
  // The anchor changes, goes, and comes back in a store that is new.
  const auto change = [&](std::vector<std::string> roots) {
    contents_.mutable_stores(0)->clear_certificates();
    for (const std::string& root : roots) {
      contents_.mutable_stores(0)->add_certificates(root);
    }
    bundle = TrustBundle::Make(contents_, {}, bundle.get()).value();
    return good(*bundle);
  };
  EXPECT_EQ(change({middle_.certificate().der}), 20u);
  EXPECT_EQ(change({TestCa("Another").certificate().der}), 0u);
  EXPECT_EQ(change({root_.certificate().der}), 20u);
  EXPECT_EQ(bundle->any()->signatures_checked(), 21u);
}

TEST_F(TrustBundleTest, SaysWhatAChangeIsAbout) {
  const std::vector<std::string> direct = {root_.IssueDns("a.test").der};
  const std::vector<std::string> below = {middle_.IssueDns("b.test").der,
                                          middle_.certificate().der};
  TestCa other("Other");
  contents_.mutable_stores(0)->add_certificates(other.certificate().der);
  auto bundle = TrustBundle::Make(contents_, {}).value();
  EXPECT_FALSE(bundle->MayHaveChanged(direct)) << "there was nothing before";
  const auto change = [&] {
    bundle = TrustBundle::Make(contents_, {}, bundle.get()).value();
  };
  change();
  EXPECT_FALSE(bundle->MayHaveChanged(direct));
  pb::RevokedCertificate& one = *contents_.add_revoked();
  one.set_issuer(IssuerOf(below[0]));
  one.set_serial("\x10");
  change();
  EXPECT_FALSE(bundle->MayHaveChanged(direct));
  EXPECT_TRUE(bundle->MayHaveChanged(below));
  // The root of both goes.
  contents_.mutable_stores(0)->clear_certificates();
  contents_.mutable_stores(0)->add_certificates(other.certificate().der);
  change();
  EXPECT_TRUE(bundle->MayHaveChanged(direct));
  EXPECT_TRUE(bundle->MayHaveChanged(below));
  EXPECT_FALSE(bundle->MayHaveChanged({other.IssueDns("c.test").der}));
}

}  // namespace
}  // namespace sallyport::signaling_edge
