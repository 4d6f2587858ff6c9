#include "services/capf/core/phone_trust.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <initializer_list>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "services/capf/core/test_trust_list.h"

namespace sallyport::capf {
namespace {

using ::testing::ElementsAre;

// Certificates stand for themselves here: their ids are short texts.
std::shared_ptr<const ListTrust> Trust(ListTrust trust) {
  return std::make_shared<const ListTrust>(std::move(trust));
}

ListTrust Ctl() {
  return {.signers = {"sast1", "sast2"},
          .call_managers = {"ccm1"},
          .file_signers = {"ccm1"},
          .tvs = {}};
}

ListTrust Itl() {
  return {.signers = {"recovery"},
          .call_managers = {"ccm1"},
          .file_signers = {"ccm1"},
          .tvs = {"tvs1"}};
}

PhoneTrustState Phone() {
  return {.device = "SEP001122334455",
          .ability = {.sha512 = true},
          .speaks_tls = true,
          .ctl = Trust(Ctl()),
          .itl = Trust(Itl())};
}

ProposedList NewCtl(std::string signer, ListTrust trust) {
  return {.is_ctl = true,
          .digest = SignedFileDigest::kSha1,
          .signer = std::move(signer),
          .trust = Trust(std::move(trust))};
}

ServedCertificates Served() {
  return {.call_managers = {"ccm1"},
          .file_signers = {"ccm1"},
          .tvs = {"tvs1"},
          .vouched_for = {}};
}

TEST(PhoneTrustTest, TakesTheFirstListOnTrust) {
  PhoneTrustState phone = Phone();
  phone.ctl = nullptr;
  phone.itl = nullptr;
  EXPECT_EQ(WouldAccept(phone, NewCtl("stranger", Ctl()), Served()),
            ListVerdict::kAccepted);
}

TEST(PhoneTrustTest, TakesWhatEitherOfItsSignersSigned) {
  for (const char* signer : {"sast1", "sast2", "recovery"}) {
    EXPECT_EQ(WouldAccept(Phone(), NewCtl(signer, Ctl()), Served()),
              ListVerdict::kAccepted)
        << signer;
  }
}

TEST(PhoneTrustTest, AnItlAloneIsAListToo) {
  PhoneTrustState phone = Phone();
  phone.ctl = nullptr;
  EXPECT_EQ(WouldAccept(phone, NewCtl("sast1", Ctl()), Served()),
            ListVerdict::kSignerUnknown);
  EXPECT_EQ(WouldAccept(phone, NewCtl("recovery", Ctl()), Served()),
            ListVerdict::kAccepted);
}

TEST(PhoneTrustTest, AServiceItTrustsMayVouchForTheSigner) {
  ServedCertificates served = Served();
  const ProposedList list = NewCtl("sast3", Ctl());
  EXPECT_EQ(WouldAccept(Phone(), list, served), ListVerdict::kSignerUnknown);
  served.vouched_for = {"sast3"};
  EXPECT_EQ(WouldAccept(Phone(), list, served), ListVerdict::kAccepted);
  // Not if it has meanwhile another certificate than the phone knows.
  served.tvs = {"tvs2"};
  EXPECT_EQ(WouldAccept(Phone(), list, served), ListVerdict::kSignerUnknown);
}

TEST(PhoneTrustTest, OldModelsDoNotVerifySha512) {
  PhoneTrustState phone = Phone();
  phone.ability.sha512 = false;
  ProposedList list = NewCtl("sast1", Ctl());
  list.digest = SignedFileDigest::kSha512;
  EXPECT_EQ(WouldAccept(phone, list, Served()),
            ListVerdict::kDigestUnsupported);
  phone.ability.sha512 = true;
  EXPECT_EQ(WouldAccept(phone, list, Served()), ListVerdict::kAccepted);
}

// A list that is accepted can still cut a phone off.
TEST(PhoneTrustTest, MustStillKnowItsCallManager) {
  PhoneTrustState phone = Phone();
  phone.itl = nullptr;
  ListTrust bare = Ctl();
  bare.call_managers.clear();
  EXPECT_EQ(WouldAccept(phone, NewCtl("sast1", bare), Served()),
            ListVerdict::kCallManagerUntrusted);
  phone.speaks_tls = false;
  EXPECT_EQ(WouldAccept(phone, NewCtl("sast1", bare), Served()),
            ListVerdict::kAccepted);
  // The other list may know it, or a service vouch for it.
  EXPECT_EQ(WouldAccept(Phone(), NewCtl("sast1", bare), Served()),
            ListVerdict::kAccepted);
}

TEST(PhoneTrustTest, MustStillBelieveItsConfiguration) {
  PhoneTrustState phone = Phone();
  phone.itl = nullptr;
  ServedCertificates served = Served();
  served.file_signers = {"tftp2"};
  EXPECT_EQ(WouldAccept(phone, NewCtl("sast1", Ctl()), served),
            ListVerdict::kConfigurationUntrusted);
  served.vouched_for = {"tftp2"};
  EXPECT_EQ(WouldAccept(Phone(), NewCtl("sast1", Ctl()), served),
            ListVerdict::kAccepted);
}

TEST(PhoneTrustTest, PreparedForRollbackItTakesAnything) {
  PhoneTrustState phone = Phone();
  phone.itl = Trust({.signers = {"recovery"},
                     .call_managers = {"ccm1"},
                     .file_signers = {},
                     .tvs = {}});
  EXPECT_EQ(WouldAccept(phone, NewCtl("stranger", Ctl()), Served()),
            ListVerdict::kAccepted);
}

TEST(PhoneTrustTest, SimulationNamesThoseItWouldLockOut) {
  std::vector<PhoneTrustState> phones(5, Phone());
  for (size_t i = 0; i < phones.size(); ++i) {
    phones[i].device = "SEP" + std::to_string(i);
  }
  phones[1].ctl = Trust(
      {.signers = {"old"}, .call_managers = {}, .file_signers = {}, .tvs = {}});
  phones[1].itl = nullptr;
  phones[3] = phones[1];
  phones[3].device = "SEP3";
  const TrustListSimulation all =
      SimulateTrustList(phones, NewCtl("sast1", Ctl()), Served(), 10);
  EXPECT_EQ(all.phones_evaluated, 5u);
  EXPECT_EQ(all.locked_out_count, 2u);
  EXPECT_THAT(all.locked_out,
              ElementsAre(LockedOutPhone{"SEP1", ListVerdict::kSignerUnknown},
                          LockedOutPhone{"SEP3", ListVerdict::kSignerUnknown}));
  const TrustListSimulation few =
      SimulateTrustList(phones, NewCtl("sast1", Ctl()), Served(), 1);
  EXPECT_EQ(few.locked_out_count, 2u);
  EXPECT_EQ(few.locked_out.size(), 1u);
}

// Staged rotation: the new signer goes in beside the old one, then signs, then
// the old one goes; a phone that was away for one stage follows, one that was
// away for all of them is told of in advance.
TEST(PhoneTrustTest, StagedRotationStrandsNobodyWhoSawOneStage) {
  const auto with = [](std::initializer_list<std::string> signers) {
    ListTrust trust = Ctl();
    trust.signers = CertificateSet(signers);
    return trust;
  };
  PhoneTrustState phone = Phone();
  phone.itl = nullptr;
  phone.ctl = Trust(with({"a", "b"}));
  PhoneTrustState away = phone;

  const ProposedList one = NewCtl("a", with({"a", "c"}));
  ASSERT_EQ(WouldAccept(phone, one, Served()), ListVerdict::kAccepted);
  phone.ctl = one.trust;
  const ProposedList two = NewCtl("c", with({"c", "d"}));
  EXPECT_EQ(WouldAccept(phone, two, Served()), ListVerdict::kAccepted);
  EXPECT_EQ(WouldAccept(away, two, Served()), ListVerdict::kSignerUnknown);
}

TEST(PhoneTrustTest, TrustComesFromTheRecordsOfAList) {
  const TestIdentity signer = NewTestIdentity("signer", 1);
  const TestIdentity manager = NewTestIdentity("manager", 2);
  TrustList list;
  list.header.signer_issuer = "CN=signer;O=Example;C=XX";
  list.header.signer_serial = "\x01";
  list.records = {TestRecord(signer, TrustListRole::kSast),
                  TestRecord(manager, TrustListRole::kCcmTftp),
                  TestRecord(manager, TrustListRole::kTvs)};
  const ProposedList proposal = ProposalOf(list, true);
  EXPECT_EQ(proposal.trust->signers, CertificateSet({proposal.signer}));
  EXPECT_EQ(proposal.trust->call_managers.size(), 1u);
  EXPECT_EQ(proposal.trust->call_managers, proposal.trust->file_signers);
  EXPECT_EQ(proposal.trust->call_managers, proposal.trust->tvs);
  list.records[1] = WithoutCertificate(list.records[1]);
  EXPECT_TRUE(TrustOf(list).call_managers.empty());
}

}  // namespace
}  // namespace sallyport::capf
