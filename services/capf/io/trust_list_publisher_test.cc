#include "services/capf/io/trust_list_publisher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "services/capf/core/signed_file_header.h"
#include "services/capf/core/test_trust_list.h"
#include "services/capf/core/trust_list.h"
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
    options_.folder = capf_.folder;
    options_.tenant = "a";
    options_.organization = "Example";
    options_.call_managers = {Node(manager_)};
    options_.tftp.dns_name = "capf.example.test";
    options_.mode = ClusterSecurityMode::kMixed;
    Open();
  }

  static PhoneNode Node(const TestIdentity& identity) {
    return {.dns_name = "cm1.example.test",
            .ip_address = std::string("\xc0\x00\x02\x09", 4),
            .certificate_der = identity.certificate};
  }

  void Open() {
    SP_ASSERT_OK_AND_ASSIGN(
        publisher_, TrustListPublisher::Open(options_, Secret(),
                                             *capf_.authority, *capf_.ledger));
    ASSERT_THAT(publisher_->Serve([this](const PublishedList& list) {
      served_.push_back(list.sha1);
    }),
                IsOk());
  }

  absl::StatusOr<Publication> Publish(TrustListKind kind = TrustListKind::kCtl,
                                      bool force = false,
                                      bool validate_only = false) {
    return publisher_->Publish("a", kind, force, validate_only, "ann");
  }

  TestCapf capf_{NewTestFolder()};
  const TestIdentity manager_ = NewTestIdentity("cm1.example.test", 13);
  TrustListOptions options_;
  std::unique_ptr<TrustListPublisher> publisher_;
  std::vector<std::string> served_;
};

TEST_F(TrustListPublisherTest, PublishesWhatVerifiesAndServesItAfterARestart) {
  SP_ASSERT_OK_AND_ASSIGN(const Publication ctl, Publish());
  const auto verified = VerifyTrustList(AsBytes(ctl.list.content));
  ASSERT_THAT(verified.status(), IsOk());
  EXPECT_EQ(verified->list.OfRole(TrustListRole::kSast).size(), 2u);
  EXPECT_EQ(verified->list.OfRole(TrustListRole::kCcm).size(), 1u);
  EXPECT_THAT(served_, ElementsAre(ctl.list.sha1));
  served_.clear();
  Open();
  EXPECT_THAT(served_, ElementsAre(ctl.list.sha1));
}

TEST_F(TrustListPublisherTest, SayingTheSameAgainPublishesNothing) {
  SP_ASSERT_OK_AND_ASSIGN(const Publication first, Publish());
  capf_.clock.Advance(absl::Hours(1));
  SP_ASSERT_OK_AND_ASSIGN(const Publication again, Publish());
  EXPECT_TRUE(again.unchanged);
  EXPECT_EQ(again.list, first.list);
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
                                      first.list.sha1),
              IsOk());
  options_.mode = ClusterSecurityMode::kNonSecure;
  Open();
  SP_ASSERT_OK_AND_ASSIGN(const Publication next, Publish());
  EXPECT_FALSE(next.unchanged);
  EXPECT_EQ(next.simulation.phones_evaluated, 1u);
  EXPECT_EQ(next.simulation.locked_out_count, 0u);
}

// New keys instead of the old ones: nobody would believe them.
TEST_F(TrustListPublisherTest, LostSignersAreNoticedBeforeThePhonesDo) {
  capf_.AddEnrollment("SEP001122334455");
  SP_ASSERT_OK_AND_ASSIGN(const Publication first, Publish());
  ASSERT_THAT(publisher_->RecordFetch("SEP001122334455", TrustListKind::kCtl,
                                      first.list.sha1),
              IsOk());
  options_.folder = NewTestFolder();
  Open();
  EXPECT_THAT(Publish(), HasReason("PHONES_LOCKED_OUT"));
  SP_ASSERT_OK_AND_ASSIGN(
      const TrustListSimulation simulation,
      publisher_->Simulate("a", AsBytes(first.list.content)));
  EXPECT_EQ(simulation.phones_evaluated, 1u);
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
      publisher_->SignPhoneFile("SEP001122334455.cnf.xml", "<device/>"));
  SP_ASSERT_OK_AND_ASSIGN(const ParsedSignedFileHeader parsed,
                          ParseSignedFileHeader(AsBytes(file)));
  SP_ASSERT_OK_AND_ASSIGN(const ParsedTrustList list,
                          ParseTrustList(AsBytes(ctl.list.content)));
  const auto tftp = list.list.OfRole(TrustListRole::kTftp);
  ASSERT_EQ(tftp.size(), 1u);
  EXPECT_EQ(parsed.header.signer_serial, tftp[0]->serial);
  EXPECT_TRUE(VerifySignedFile(SignedTextOf(AsBytes(file), parsed.layout),
                               parsed.header.digest, parsed.header.signature,
                               tftp[0]->certificate));
}

TEST_F(TrustListPublisherTest, KeysAreEncryptedWithAPassphrase) {
  options_.folder = NewTestFolder();
  const auto open = [this](std::string_view passphrase) {
    return TrustListPublisher::Open(options_,
                                    Secret::CopyOf(AsBytes(passphrase)),
                                    *capf_.authority, *capf_.ledger)
        .status();
  };
  EXPECT_THAT(open("open sesame"), IsOk());
  EXPECT_THAT(open("open sesame"), IsOk());
  EXPECT_THAT(open("wrong"), HasReason("KEY_UNREADABLE"));
  EXPECT_THAT(open(""), HasReason("KEY_UNREADABLE"));
}

TEST_F(TrustListPublisherTest, AnotherTenantHasNoList) {
  EXPECT_THAT(
      publisher_->Publish("b", TrustListKind::kCtl, false, false, "ann"),
      HasReason("TENANT_WITHOUT_PHONES"));
}

}  // namespace
}  // namespace sallyport::capf
