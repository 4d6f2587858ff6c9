#include "services/capf/io/certificate_authority.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <utility>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/capf/core/certificate_builder.h"
#include "services/capf/core/revocation_list.h"
#include "services/capf/core/test_keys.h"
#include "services/capf/io/test_capf.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/bytes/hex.h"
#include "services/common/crypto/x509_name.h"
#include "services/common/status/status_matchers.h"

namespace sallyport::capf {
namespace {

using testing::Contains;
using testing::IsEmpty;
using testing::SizeIs;

IssueOrder Order(const std::string& name = "edge.example.test",
                 const std::string& request_key = "") {
  PublicKey key = *PublicKey::FromSpki(
      AsBytes(TestSpki(NewTestKey(KeyKind::kEcP256).get())), KeyPolicy{});
  return {.tenant = "a",
          .profile = ProfileId::kSipServer,
          .subject = {.common_name = name},
          .names = {.dns_names = {"edge.example.test"}},
          .key = std::move(key),
          .validity = {},
          .enrollment = {},
          .requester = "operator ann",
          .request_key = request_key,
          .request_sha256 = "1234"};
}

std::vector<std::string> Events(TestCapf& capf) {
  std::vector<std::string> events;
  const auto records = capf.store->ReadAudit(0, 10000).value();
  for (const AuditRecord& r : records) {
    events.push_back(r.event.event + " " + r.event.subject);
  }
  return events;
}

TEST(CertificateAuthorityTest, FirstStartMakesTheAuthority) {
  const std::string folder = NewTestFolder();
  std::string der;
  {
    TestCapf capf(folder);
    der = capf.authority->issuer().certificate_der;
    EXPECT_EQ(capf.authority->issuer().subject.common_name, "CAPF-test");
  }
  TestCapf again(folder);
  EXPECT_EQ(again.authority->issuer().certificate_der, der);
}

// The key was made, and then the machine went down.
TEST(CertificateAuthorityTest, ALostCertificateIsMadeAnewForTheSameKey) {
  const std::string folder = NewTestFolder();
  std::string spki;
  {
    TestCapf capf(folder);
    spki = capf.signer->public_key().spki();
  }
  ASSERT_EQ(unlink((folder + "/ca.pem").c_str()), 0);
  TestCapf again(folder);
  EXPECT_EQ(again.authority->issuer().key.spki(), spki);
}

TEST(CertificateAuthorityTest, KeyAndCertificateMustBelongTogether) {
  const std::string folder = NewTestFolder();
  TestCapf capf(folder);
  TestCapf other(NewTestFolder());
  AuthorityOptions options;
  options.certificate_file = folder + "/ca.pem";
  EXPECT_THAT(CertificateAuthority::Open(options, *other.signer, *other.ledger,
                                         other.random),
              HasReason("AUTHORITY_MISMATCH"));
  options.certificate_file = folder + "/none.pem";
  EXPECT_THAT(CertificateAuthority::Open(options, *capf.signer, *capf.ledger,
                                         capf.random),
              HasReason("CERTIFICATE_NOT_FOUND"));
}

TEST(CertificateAuthorityTest, IssuesWithIntentBeforeAndAuditAfter) {
  TestCapf capf(NewTestFolder());
  SP_ASSERT_OK_AND_ASSIGN(const CertificateRecord record,
                          capf.authority->Issue(Order()));
  EXPECT_EQ(record.state, CertificateState::kActive);
  const auto info = ParseCertificate(AsBytes(record.der));
  ASSERT_TRUE(info.ok());
  EXPECT_EQ(info->serial_hex, record.serial);
  EXPECT_EQ(*capf.store->GetCertificate(record.serial), record);
  const auto events = Events(capf);
  ASSERT_GE(events.size(), 2u);
  EXPECT_EQ(events[events.size() - 2], "ISSUE_INTENT " + record.Name());
  EXPECT_EQ(events[events.size() - 1], "ISSUED " + record.Name());
  EXPECT_EQ(capf.authority->issued_count(), 1u);
}

TEST(CertificateAuthorityTest, ARepeatedRequestGetsTheFirstAnswer) {
  TestCapf capf(NewTestFolder());
  const IssueOrder order = Order("edge", "a/r1");
  SP_ASSERT_OK_AND_ASSIGN(const CertificateRecord first,
                          capf.authority->Issue(order));
  SP_ASSERT_OK_AND_ASSIGN(const CertificateRecord second,
                          capf.authority->Issue(order));
  EXPECT_EQ(first, second);
  EXPECT_EQ(capf.authority->issued_count(), 1u);
  IssueOrder other = order;
  other.request_sha256 = "other";
  EXPECT_THAT(capf.authority->Issue(other), HasReason("REQUEST_ID_REUSED"));
}

// pki.md 9.2: a key that is another's is refused.
TEST(CertificateAuthorityTest, AKeyHasOneName) {
  TestCapf capf(NewTestFolder());
  const IssueOrder order = Order();
  SP_ASSERT_OK_AND_ASSIGN(CertificateRecord first,
                          capf.authority->Issue(order));
  EXPECT_THAT(capf.authority->Issue(order), IsOk());  // a renewal
  IssueOrder other = order;
  other.subject.common_name = "gw.example.test";
  EXPECT_THAT(capf.authority->Issue(other), HasReason("KEY_REUSED"));
  other = order;
  other.tenant = "b";
  EXPECT_THAT(capf.authority->Issue(other), HasReason("KEY_REUSED"));
  SP_ASSERT_OK_AND_ASSIGN(
      first,
      capf.enrollments->Revoke("a", first.serial,
                               RevocationReason::kKeyCompromise, "ann", false));
  EXPECT_THAT(capf.authority->Issue(order), HasReason("KEY_COMPROMISED"));
}

TEST(CertificateAuthorityTest, SignsWhatIsRevoked) {
  TestCapf capf(NewTestFolder());
  SP_ASSERT_OK_AND_ASSIGN(const CertificateRecord record,
                          capf.authority->Issue(Order()));
  SP_ASSERT_OK_AND_ASSIGN(const SignedRevocationList empty,
                          capf.authority->RevocationListNow(absl::Hours(24)));
  EXPECT_EQ(empty.revoked_count, 0u);
  // The same again while nothing changes and half of its life is ahead.
  capf.clock.Advance(absl::Hours(11));
  SP_ASSERT_OK_AND_ASSIGN(const SignedRevocationList same,
                          capf.authority->RevocationListNow(absl::Hours(24)));
  EXPECT_EQ(same.der, empty.der);
  capf.clock.Advance(absl::Hours(2));
  SP_ASSERT_OK_AND_ASSIGN(const SignedRevocationList later,
                          capf.authority->RevocationListNow(absl::Hours(24)));
  EXPECT_NE(later.der, empty.der);

  ASSERT_THAT(
      capf.enrollments->Revoke("a", record.serial,
                               RevocationReason::kSuperseded, "ann", false),
      IsOk());
  SP_ASSERT_OK_AND_ASSIGN(const SignedRevocationList list,
                          capf.authority->RevocationListNow(absl::Hours(24)));
  EXPECT_EQ(list.revoked_count, 1u);
  SP_ASSERT_OK_AND_ASSIGN(
      const RevocationList read,
      ReadRevocationList(AsBytes(list.der),
                         AsBytes(capf.authority->issuer().certificate_der)));
  ASSERT_EQ(read.revoked.size(), 1u);
  EXPECT_EQ(SerialHex(read.revoked.begin()->first), record.serial);
  EXPECT_EQ(read.revoked.begin()->second, RevocationReason::kSuperseded);
}

// RFC 5280 section 5.2.4, and OpenSSL has the last word.
TEST(CertificateAuthorityTest, DeltaListsGoOnTopOfAnyCompleteOneInForce) {
  TestCapf capf(NewTestFolder());
  AuthorityOptions options;
  options.certificate_file = capf.folder + "/ca.pem";
  options.delta_url = "http://crl.example.test/lists";
  const auto open = [&] {
    return CertificateAuthority::Open(options, *capf.signer, *capf.ledger,
                                      capf.random)
        .value();
  };
  auto authority = open();
  EXPECT_THAT(authority->DeltaListOf(1, absl::Hours(24)),
              HasReason("CRL_BASE_MISSING"));
  EXPECT_THAT(authority->DeltaListOf(2, absl::Hours(24)),
              HasReason("AUTHORITY_NOT_FOUND"));
  const auto issue = [&](const std::string& name) {
    const CertificateRecord record = authority->Issue(Order()).value();
    std::ofstream(capf.folder + "/" + name + ".pem")
        << CertificateToPem(AsBytes(record.der));
    return record;
  };
  const CertificateRecord first = issue("first");
  const CertificateRecord second = issue("second");
  const CertificateRecord third = issue("third");
  const auto revoke = [&](const CertificateRecord& record) {
    EXPECT_THAT(
        capf.enrollments->Revoke("a", record.serial,
                                 RevocationReason::kSuperseded, "ann", false),
        IsOk());
  };
  const auto write = [&](const std::string& name,
                         const SignedRevocationList& list) {
    std::ofstream(capf.folder + "/" + name + ".der") << list.der;
    EXPECT_EQ(std::system(("openssl crl -inform DER -in " + capf.folder + "/" +
                           name + ".der -out " + capf.folder + "/" + name)
                              .c_str()),
              0);
  };
  const auto accepts = [&](const std::string& leaf, const std::string& base,
                           const std::string& delta) {
    const std::string& f = capf.folder;
    return std::system(("openssl verify -crl_check -extended_crl -use_deltas "
                        "-attime " +
                        std::to_string(absl::ToUnixSeconds(capf.clock.Now())) +
                        " -CAfile " + f + "/ca.pem -CRLfile " + f + "/" + base +
                        (delta.empty() ? "" : " -CRLfile " + f + "/" + delta) +
                        " " + f + "/" + leaf + ".pem > /dev/null 2>&1")
                           .c_str()) == 0;
  };

  revoke(first);
  capf.clock.Advance(absl::Hours(1));
  SP_ASSERT_OK_AND_ASSIGN(const SignedRevocationList old_base,
                          authority->RevocationListNow(absl::Hours(24)));
  write("old_base", old_base);
  EXPECT_EQ(old_base.revoked_count, 1u);
  EXPECT_EQ(old_base.base, std::nullopt);
  capf.clock.Advance(absl::Hours(1));
  revoke(second);
  SP_ASSERT_OK_AND_ASSIGN(const SignedRevocationList delta,
                          authority->DeltaListOf(1, absl::Hours(24)));
  write("delta", delta);
  // What was on the base already is not said again.
  EXPECT_EQ(delta.revoked_count, 1u);
  EXPECT_EQ(delta.next_update - delta.this_update, absl::Hours(6));
  EXPECT_FALSE(accepts("first", "old_base", ""));
  EXPECT_TRUE(accepts("second", "old_base", ""));
  EXPECT_FALSE(accepts("second", "old_base", "delta"));
  EXPECT_FALSE(accepts("first", "old_base", "delta"));
  EXPECT_TRUE(accepts("third", "old_base", "delta"));
  // The same while nothing changes; it is not told as a complete one.
  SP_ASSERT_OK_AND_ASSIGN(const SignedRevocationList same,
                          authority->DeltaListOf(1, absl::Hours(24)));
  EXPECT_EQ(same.der, delta.der);
  EXPECT_THAT(ReadRevocationList(AsBytes(delta.der),
                                 AsBytes(authority->issuer().certificate_der)),
              HasReason("CRL_UNSUPPORTED"));

  // Whoever has the older or the newer complete list: after a restart too.
  capf.clock.Advance(absl::Hours(1));
  SP_ASSERT_OK_AND_ASSIGN(const SignedRevocationList new_base,
                          authority->RevocationListNow(absl::Hours(24)));
  write("new_base", new_base);
  capf.clock.Advance(absl::Hours(1));
  revoke(third);
  authority = open();
  SP_ASSERT_OK_AND_ASSIGN(const SignedRevocationList next,
                          authority->DeltaListOf(1, absl::Hours(24)));
  write("next", next);
  EXPECT_EQ(next.base, delta.base);
  EXPECT_EQ(next.revoked_count, 2u);
  for (const char* const base : {"old_base", "new_base"}) {
    EXPECT_FALSE(accepts("third", base, "next")) << base;
    EXPECT_FALSE(accepts("second", base, "next")) << base;
    EXPECT_TRUE(accepts("third", base, "")) << base;
  }
  // When the old one is out of force, the newer is what counts.
  capf.clock.Advance(absl::Hours(21));
  SP_ASSERT_OK_AND_ASSIGN(const SignedRevocationList last,
                          authority->DeltaListOf(1, absl::Hours(24)));
  EXPECT_GT(last.base, delta.base);
  EXPECT_EQ(last.revoked_count, 1u);
}

TEST(CertificateAuthorityTest, RefusesWhatTheProfileRefuses) {
  TestCapf capf(NewTestFolder());
  IssueOrder order = Order();
  order.names.dns_names = {"*.example.test"};
  EXPECT_THAT(capf.authority->Issue(order), HasReason("SAN_INVALID"));
  EXPECT_THAT(capf.authority->Check(order), HasReason("SAN_INVALID"));
  order = Order();
  order.validity = absl::Hours(24 * 5000);
  EXPECT_THAT(capf.authority->Issue(order), HasReason("VALIDITY_INVALID"));
  order = Order();
  order.key = capf.authority->issuer().key;
  EXPECT_THAT(capf.authority->Issue(order), HasReason("LINT_FAILED"));
  EXPECT_THAT(*capf.store->ListIntents(), IsEmpty());
  EXPECT_THAT(capf.authority->Check(Order()), IsOk());
  EXPECT_EQ(capf.authority->issued_count(), 0u);
}

// A signer that fails, or signs something else.
class BadSigner final : public Signer {
 public:
  BadSigner(Signer& real, bool wrong) : real_(real), wrong_(wrong) {}
  const PublicKey& public_key() const override { return real_.public_key(); }
  absl::StatusOr<std::string> Sign(ByteSpan data) override {
    if (!wrong_) return absl::UnavailableError("token is gone");
    return real_.Sign(AsBytes(ToString(data) + "x"));
  }

 private:
  Signer& real_;
  const bool wrong_;
};

TEST(CertificateAuthorityTest, AFailedSignatureAbandonsTheIntent) {
  for (const bool wrong : {false, true}) {
    TestCapf capf(NewTestFolder());
    BadSigner bad(*capf.signer, wrong);
    AuthorityOptions options;
    options.certificate_file = capf.folder + "/ca.pem";
    SP_ASSERT_OK_AND_ASSIGN(
        const auto authority,
        CertificateAuthority::Open(options, bad, *capf.ledger, capf.random));
    EXPECT_THAT(authority->Issue(Order("edge", "a/r1")),
                StatusIs(absl::StatusCode::kUnavailable));
    EXPECT_THAT(*capf.store->ListIntents(), IsEmpty());
    EXPECT_THAT(*capf.store->ListCertificates({}), IsEmpty());
    EXPECT_THAT(Events(capf).back(), testing::HasSubstr("ISSUE_ABANDONED"));
    // The request id is free again.
    EXPECT_THAT(capf.authority->Issue(Order("edge", "a/r1")), IsOk());
  }
}

// As FileSigner's elliptic keys, in a machine that goes wrong at one signature
// and stays so.
class FaultySigner final : public Signer {
 public:
  FaultySigner(Signer& real, int wrong_from)
      : real_(real), wrong_from_(wrong_from) {}
  const PublicKey& public_key() const override { return real_.public_key(); }
  absl::StatusOr<std::string> Sign(ByteSpan data) override {
    if (++count_ < wrong_from_) return real_.Sign(data);
    return real_.Sign(AsBytes(ToString(data) + "x"));
  }
  uint32_t verify_each() const override { return 64; }

 private:
  Signer& real_;
  const int wrong_from_;
  int count_ = 0;
};

// The trade of verify_every_signature: without it a machine that goes wrong is
// found at the next sample, and from then on nothing wrong goes out.
TEST(CertificateAuthorityTest, WrongSignaturesAreFoundAtOnceOrAtTheNextSample) {
  for (const bool every : {false, true}) {
    TestCapf capf(NewTestFolder());
    FaultySigner faulty(*capf.signer, 3);
    AuthorityOptions options;
    options.certificate_file = capf.folder + "/ca.pem";
    options.verify_every_signature = every;
    SP_ASSERT_OK_AND_ASSIGN(
        const auto authority,
        CertificateAuthority::Open(options, faulty, *capf.ledger, capf.random));
    int wrong = 0;
    int refused = 0;
    for (int i = 1; i <= 80; ++i) {
      const auto issued = authority->Issue(Order());
      if (!issued.ok()) {
        EXPECT_THAT(issued.status(), HasReason("SIGNER_UNAVAILABLE"));
        ++refused;
        continue;
      }
      EXPECT_EQ(refused, 0) << "one went out after a wrong one was found";
      wrong += CheckSignedBy(AsBytes(issued->der),
                             AsBytes(authority->issuer().certificate_der))
                       .ok()
                   ? 0
                   : 1;
    }
    EXPECT_EQ(wrong, every ? 0 : 62);
    EXPECT_EQ(refused, every ? 78 : 16);
  }
}

// Certainly 2026-04: certificates without audit entries. Ours stop instead.
TEST(CertificateAuthorityTest, NoAuditNoCertificate) {
  TestCapf capf(NewTestFolder());
  SP_ASSERT_OK_AND_ASSIGN(const auto before, capf.store->ReadAudit(0, 1000));
  // No file may grow any more: the audit file and the store alike.
  rlimit old = {};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &old), 0);
  signal(SIGXFSZ, SIG_IGN);
  const rlimit none = {1, old.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &none), 0);
  const auto refused = capf.authority->Issue(Order("edge", "a/r1"));
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &old), 0);
  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kUnavailable));
  // Once there is room again, the same request is answered, once.
  SP_ASSERT_OK_AND_ASSIGN(const auto record,
                          capf.authority->Issue(Order("edge", "a/r1")));
  EXPECT_THAT(*capf.store->ListCertificates({}), SizeIs(1));
}

std::set<std::string> SerialsInAudit(const std::string& folder,
                                     const std::string& event) {
  std::set<std::string> serials;
  std::ifstream file(folder + "/audit.jsonl");
  std::string line;
  while (std::getline(file, line)) {
    if (line.find("\"event\":\"" + event + "\"") == std::string::npos) continue;
    const std::string mark = "/certificates/";
    const size_t at = line.find(mark) + mark.size();
    serials.insert(line.substr(at, line.find('"', at) - at));
  }
  return serials;
}

// pki.md 12, goal 5: kill -9 at every step. What was handed out is recorded
// and audited; what was not is either whole or abandoned; a repeat of the
// request is answered once.
TEST(CertificateAuthorityTest, KillAtEveryStepLosesNothingAndDoublesNothing) {
  for (const IssueStep step : {IssueStep::kBuilt, IssueStep::kIntentStored,
                               IssueStep::kSigned, IssueStep::kIssuedStored}) {
    for (int round = 0; round < 5; ++round) {
      SCOPED_TRACE(testing::Message()
                   << "step " << static_cast<int>(step) << " round " << round);
      const std::string folder = NewTestFolder();
      const IssueOrder order = Order("edge", "a/r1");
      { TestCapf capf(folder); }
      const pid_t child = fork();
      ASSERT_GE(child, 0);
      if (child == 0) {
        TestCapf capf(folder);
        for (int i = 0; i < round; ++i) {
          if (!capf.authority->Issue(Order()).ok()) _exit(2);
        }
        capf.authority->set_on_step([step](IssueStep reached) {
          if (reached == step) raise(SIGKILL);
        });
        static_cast<void>(capf.authority->Issue(order));
        _exit(3);
      }
      int status = 0;
      ASSERT_EQ(waitpid(child, &status, 0), child);
      ASSERT_TRUE(WIFSIGNALED(status)) << status;

      TestCapf capf(folder);  // recovers, and checks the chain
      EXPECT_THAT(*capf.store->ListIntents(), IsEmpty());
      SP_ASSERT_OK_AND_ASSIGN(const auto before,
                              capf.store->ListCertificates({}));
      const bool was_issued = step == IssueStep::kIssuedStored;
      EXPECT_EQ(before.size(), static_cast<size_t>(round + was_issued));

      SP_ASSERT_OK_AND_ASSIGN(const CertificateRecord record,
                              capf.authority->Issue(order));
      SP_ASSERT_OK_AND_ASSIGN(const auto after,
                              capf.store->ListCertificates({}));
      EXPECT_EQ(after.size(), static_cast<size_t>(round + 1));
      if (was_issued) {
        EXPECT_THAT(before, Contains(record));
      }

      // Every certificate is audited, and none that is not there.
      std::set<std::string> stored;
      for (const CertificateRecord& one : after) {
        EXPECT_TRUE(stored.insert(one.serial).second);
        EXPECT_FALSE(one.der.empty());
      }
      EXPECT_EQ(SerialsInAudit(folder, "ISSUED"), stored);
    }
  }
}

}  // namespace
}  // namespace sallyport::capf
