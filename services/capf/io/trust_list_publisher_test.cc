#include "services/capf/io/trust_list_publisher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "services/capf/core/phone_cluster.h"
#include "services/capf/core/signed_file_header.h"
#include "services/capf/core/test_trust_list.h"
#include "services/capf/core/trust_list.h"
#include "services/capf/io/list_signers.h"
#include "services/capf/io/test_capf.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/crypto/secret.h"
#include "services/common/status/status_matchers.h"

namespace sallyport::capf {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class TrustListPublisherTest : public testing::Test {
 protected:
  void SetUp() override {
    options_.default_tenant = "a";
    options_.host = "capf.example.test";
    options_.capf_certificate = capf_node_.certificate;
    cluster_.tenant = "a";
    cluster_.call_managers = {Node(manager_)};
    cluster_.mode = ClusterSecurityMode::kMixed;
    Open();
    Set();
  }

  static ClusterNode Node(const TestIdentity& identity) {
    return {.node = {.dns_name = "cm1.example.test",
                     .ip_address = std::string("\xc0\x00\x02\x09", 4),
                     .certificate_der = identity.certificate}};
  }

  // A process that starts on the same store.
  void Open() {
    ListSigners::Options options;
    options.wrapping = Secret::CopyOf(std::string(64, 'k'));
    options.organization = "Example";
    signers_.emplace(std::move(options), *capf_.authority, *capf_.ledger);
    publisher_ = std::make_unique<TrustListPublisher>(options_, *signers_,
                                                      *capf_.ledger);
    ASSERT_THAT(
        publisher_->Serve([this](const std::vector<PublishedList>& lists) {
          for (const PublishedList& list : lists) served_.push_back(list.sha1);
        }),
        IsOk());
  }

  // The cluster without lists.
  void Set() {
    StoreChange change;
    change.put_clusters = {cluster_};
    change.audit = {{.event = "PHONE_CLUSTER_SET"}};
    ASSERT_THAT(capf_.ledger->Apply(change), IsOk());
    ++cluster_.version;
    ASSERT_THAT(publisher_->Refresh(), IsOk());
  }

  absl::StatusOr<Publication> Publish(TrustListKind kind = TrustListKind::kCtl,
                                      bool force = false,
                                      bool validate_only = false) {
    return publisher_->Publish("a", kind, {.force = force, .actor = "ann"},
                               validate_only);
  }
  absl::Status Fetch(const std::string& device, TrustListKind kind,
                     const std::string& sha1) {
    return publisher_->RecordFetch(device, kind, sha1);
  }
  void SetModel(const std::string& device, const std::string& model) {
    Enrollment enrollment = capf_.Get(device);
    enrollment.model = model;
    StoreChange change;
    change.update_enrollments = {enrollment};
    change.audit = {{.event = "TEST"}};
    ASSERT_THAT(capf_.ledger->Apply(change), IsOk());
  }

  TestCapf capf_{NewTestFolder()};
  const TestIdentity manager_ = NewTestIdentity("cm1.example.test", 13);
  const TestIdentity capf_node_ = NewTestIdentity("capf.example.test", 14);
  TrustListOptions options_;
  PhoneCluster cluster_;
  std::optional<ListSigners> signers_;
  std::unique_ptr<TrustListPublisher> publisher_;
  std::vector<std::string> served_;
};

TEST_F(TrustListPublisherTest, PublishesWhatVerifiesAndServesItAfterARestart) {
  SP_ASSERT_OK_AND_ASSIGN(const Publication ctl, Publish());
  const auto verified = VerifyTrustList(AsBytes(ctl.lists[0].content));
  ASSERT_THAT(verified.status(), IsOk());
  EXPECT_EQ(verified->list.OfRole(TrustListRole::kSast).size(), 2u);
  EXPECT_EQ(verified->list.OfRole(TrustListRole::kCcm).size(), 1u);
  EXPECT_THAT(served_, ElementsAre(ctl.lists[0].sha1));
  served_.clear();
  Open();
  EXPECT_THAT(served_, ElementsAre(ctl.lists[0].sha1));
}

TEST_F(TrustListPublisherTest, SayingTheSameAgainPublishesNothing) {
  SP_ASSERT_OK_AND_ASSIGN(const Publication first, Publish());
  capf_.clock.Advance(absl::Hours(1));
  SP_ASSERT_OK_AND_ASSIGN(const Publication again, Publish());
  EXPECT_TRUE(again.unchanged);
  EXPECT_EQ(again.lists, first.lists);
  EXPECT_THAT(served_, testing::SizeIs(1));
}

TEST_F(TrustListPublisherTest, ADryRunStoresNothing) {
  ASSERT_THAT(Publish(TrustListKind::kItl, false, true).status(), IsOk());
  EXPECT_THAT(*capf_.store->ListPublished("a", TrustListKind::kItl, 5),
              testing::IsEmpty());
}

// A phone that holds the list of another installation's signer would refuse
// ours: it stops the publication until somebody insists.
TEST_F(TrustListPublisherTest, RefusesToLockAPhoneOut) {
  capf_.AddEnrollment("SEP001122334455");
  ASSERT_THAT(publisher_->RecordFetch("SEP001122334455", TrustListKind::kCtl,
                                      std::string(40, 'f')),
              IsOk());
  const auto refused = Publish();
  EXPECT_THAT(refused, HasReason("PHONES_LOCKED_OUT"));
  EXPECT_THAT(std::string(refused.status().message()),
              HasSubstr("SEP001122334455 (SIGNER_UNKNOWN)"));
  EXPECT_THAT(served_, testing::IsEmpty());
  SP_ASSERT_OK_AND_ASSIGN(const Publication forced,
                          Publish(TrustListKind::kCtl, true));
  EXPECT_EQ(forced.simulation.locked_out_count, 1u);
}

TEST_F(TrustListPublisherTest, PhonesThatHoldOurListTakeTheNext) {
  capf_.AddEnrollment("SEP001122334455");
  SP_ASSERT_OK_AND_ASSIGN(const Publication first, Publish());
  ASSERT_THAT(publisher_->RecordFetch("SEP001122334455", TrustListKind::kCtl,
                                      first.lists[0].sha1),
              IsOk());
  cluster_.mode = ClusterSecurityMode::kNonSecure;
  Set();
  SP_ASSERT_OK_AND_ASSIGN(const Publication next, Publish());
  EXPECT_FALSE(next.unchanged);
  EXPECT_EQ(next.simulation.phones_evaluated, 1u);
  EXPECT_EQ(next.simulation.locked_out_count, 0u);
}

// New keys instead of the old ones: nobody would believe them.
TEST_F(TrustListPublisherTest, LostSignersAreNoticedBeforeThePhonesDo) {
  capf_.AddEnrollment("SEP001122334455");
  SP_ASSERT_OK_AND_ASSIGN(const Publication first, Publish());
  ASSERT_THAT(
      Fetch("SEP001122334455", TrustListKind::kCtl, first.lists[0].sha1),
      IsOk());
  SP_ASSERT_OK_AND_ASSIGN(ClusterState state, publisher_->State("a"));
  SP_ASSERT_OK_AND_ASSIGN(const auto others, signers_->Ensure("other"));
  state.signers = others;
  EXPECT_THAT(publisher_->Prepare(state, {TrustListKind::kCtl}, {}),
              HasReason("PHONES_LOCKED_OUT"));
  SP_ASSERT_OK_AND_ASSIGN(
      const TrustListSimulation simulation,
      publisher_->Simulate("a", AsBytes(first.lists[0].content)));
  EXPECT_EQ(simulation.phones_evaluated, 1u);
  EXPECT_EQ(simulation.locked_out_count, 0u);
}

// The digest goes by model, both forms are out together, and each phone is
// asked about its own.
TEST_F(TrustListPublisherTest, BothDigestsAreOutAtOnce) {
  capf_.AddEnrollment("SEP001122334455");
  capf_.AddEnrollment("SEP0000000000FF");
  SetModel("SEP001122334455", "CP-8861");
  cluster_.sha512_models = {"CP-8861"};
  Set();
  SP_ASSERT_OK_AND_ASSIGN(const Publication ctl, Publish());
  ASSERT_EQ(ctl.lists.size(), 2u);
  const auto digest = [](const std::string& file) {
    return ParseTrustList(AsBytes(file))->list.header.digest;
  };
  EXPECT_EQ(digest(ctl.lists[0].content), SignedFileDigest::kSha1);
  EXPECT_EQ(digest(ctl.lists[1].content), SignedFileDigest::kSha512);
  for (const PublishedList& list : ctl.lists) {
    EXPECT_THAT(VerifyTrustList(AsBytes(list.content)).status(), IsOk());
  }
  EXPECT_THAT(served_, ElementsAre(ctl.lists[0].sha1, ctl.lists[1].sha1));
  served_.clear();
  Open();
  EXPECT_THAT(served_, ElementsAre(ctl.lists[0].sha1, ctl.lists[1].sha1));

  ASSERT_THAT(Fetch("SEP001122334455", TrustListKind::kCtl, ctl.lists[1].sha1),
              IsOk());
  ASSERT_THAT(Fetch("SEP0000000000FF", TrustListKind::kCtl, ctl.lists[0].sha1),
              IsOk());
  capf_.clock.Advance(absl::Hours(1));
  SP_ASSERT_OK_AND_ASSIGN(const Publication again, Publish());
  EXPECT_TRUE(again.unchanged);
  EXPECT_EQ(again.simulation.phones_evaluated, 2u);
  EXPECT_EQ(again.simulation.locked_out_count, 0u);
  // A file that an old phone cannot verify, if it were to be published.
  SP_ASSERT_OK_AND_ASSIGN(
      const TrustListSimulation simulation,
      publisher_->Simulate("a", AsBytes(ctl.lists[1].content)));
  ASSERT_EQ(simulation.locked_out_count, 1u);
  EXPECT_EQ(
      simulation.locked_out[0],
      (LockedOutPhone{"SEP0000000000FF", ListVerdict::kDigestUnsupported}));
}

TEST_F(TrustListPublisherTest, TenantsHaveListsAndSignersOfTheirOwn) {
  PhoneCluster other = cluster_;
  other.tenant = "b";
  other.version = 0;
  other.host = "capf.b.test";
  SP_ASSERT_OK_AND_ASSIGN(const Publication ours, Publish());
  SP_ASSERT_OK_AND_ASSIGN(
      const PreparedPublication theirs,
      publisher_->PublishCluster(other, {.actor = "ben"}, false));
  ASSERT_EQ(theirs.publications.size(), 2u);
  const auto one = ParseTrustList(AsBytes(ours.lists[0].content));
  const auto two =
      ParseTrustList(AsBytes(theirs.publications[0].lists[0].content));
  EXPECT_NE(one->list.header.signer_serial, two->list.header.signer_serial);
  EXPECT_EQ(two->list.OfRole(TrustListRole::kCapf)[0]->dns_name, "capf.b.test");
  // Neither is vouched for towards the other's phones.
  SP_ASSERT_OK_AND_ASSIGN(const auto own, publisher_->OwnCertificates("a"));
  EXPECT_FALSE(own.contains(two->list.Signer()->certificate));
  EXPECT_TRUE(own.contains(one->list.Signer()->certificate));
  // A write by somebody who has not seen it.
  EXPECT_THAT(publisher_->PublishCluster(other, {.actor = "ben"}, false),
              HasReason("ETAG_MISMATCH"));
}

// The certificate of our own ports is in every list.
TEST_F(TrustListPublisherTest, ANewCertificateOfOurPortsIsPublished) {
  SP_ASSERT_OK_AND_ASSIGN(const Publication first, Publish());
  const TestIdentity renewed = NewTestIdentity("capf.example.test", 15);
  ASSERT_THAT(publisher_->SetCapfCertificate(renewed.certificate), IsOk());
  SP_ASSERT_OK_AND_ASSIGN(const auto lists, capf_.store->ListPublished(
                                                "a", TrustListKind::kCtl, 1));
  const auto parsed = ParseTrustList(AsBytes(lists[0].content));
  EXPECT_EQ(parsed->list.OfRole(TrustListRole::kCapf)[0]->certificate,
            renewed.certificate);
}

// FIPS mode: no form that is signed with SHA-1.
TEST_F(TrustListPublisherTest, NoSha1WhereItIsForbidden) {
  options_.sha512_only = true;
  Open();
  SP_ASSERT_OK_AND_ASSIGN(const Publication ctl, Publish());
  ASSERT_EQ(ctl.lists.size(), 1u);
  EXPECT_EQ(ParseTrustList(AsBytes(ctl.lists[0].content))->list.header.digest,
            SignedFileDigest::kSha512);
}

TEST_F(TrustListPublisherTest, StrangersAreNotRemembered) {
  ASSERT_THAT(publisher_->RecordFetch("SEP0000000000FF", TrustListKind::kCtl,
                                      std::string(40, 'f')),
              IsOk());
  EXPECT_THAT(*capf_.store->ListPhoneLists("a"), testing::IsEmpty());
}

TEST_F(TrustListPublisherTest, PhoneFilesAreSignedByTheKeyOfTheList) {
  SP_ASSERT_OK_AND_ASSIGN(const Publication ctl, Publish());
  SP_ASSERT_OK_AND_ASSIGN(
      const std::string file,
      publisher_->SignPhoneFile("a", "SEP001122334455.cnf.xml", "<device/>",
                                SignedFileDigest::kSha1));
  SP_ASSERT_OK_AND_ASSIGN(const ParsedSignedFileHeader parsed,
                          ParseSignedFileHeader(AsBytes(file)));
  SP_ASSERT_OK_AND_ASSIGN(const ParsedTrustList list,
                          ParseTrustList(AsBytes(ctl.lists[0].content)));
  const auto tftp = list.list.OfRole(TrustListRole::kTftp);
  ASSERT_EQ(tftp.size(), 1u);
  EXPECT_EQ(parsed.header.signer_serial, tftp[0]->serial);
  EXPECT_TRUE(VerifySignedFile(SignedTextOf(AsBytes(file), parsed.layout),
                               parsed.header.digest, parsed.header.signature,
                               tftp[0]->certificate));
}

TEST_F(TrustListPublisherTest, AnotherTenantHasNoList) {
  EXPECT_THAT(
      publisher_->Publish("b", TrustListKind::kCtl, {.actor = "ann"}, false),
      HasReason("TENANT_WITHOUT_PHONES"));
}

}  // namespace
}  // namespace sallyport::capf
