#include "services/capf/io/list_signers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <set>
#include <string>
#include <tuple>
#include <utility>

#include "services/capf/core/trust_list.h"
#include "services/capf/io/durable_file.h"
#include "services/capf/io/test_capf.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/crypto/x509_name.h"
#include "services/common/status/status_matchers.h"

namespace sallyport::capf {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;

class ListSignersTest : public testing::Test {
 protected:
  ListSigners Open(const std::string& wrapping = std::string(64, 'k')) {
    ListSigners::Options options;
    options.wrapping = Secret::CopyOf(wrapping);
    options.organization = "Example";
    options.old_folder = capf_.folder;
    options.old_tenant = "a";
    return ListSigners(std::move(options), *capf_.authority, *capf_.ledger);
  }

  TestCapf capf_{NewTestFolder()};
};

TEST_F(ListSignersTest, EveryTenantHasItsOwnAndKeepsThem) {
  ListSigners signers = Open();
  SP_ASSERT_OK_AND_ASSIGN(const auto a, signers.Ensure("a"));
  SP_ASSERT_OK_AND_ASSIGN(const auto b, signers.Ensure("b"));
  ASSERT_THAT(a, SizeIs(3));
  std::set<std::string> certificates;
  for (const auto* tenant : {&a, &b}) {
    for (const ListSigner& one : *tenant) {
      certificates.insert(one.certificate_der);
      EXPECT_THAT(one.key_pem, HasSubstr("ENCRYPTED PRIVATE KEY"));
    }
  }
  EXPECT_THAT(certificates, SizeIs(6));
  // Another process, or another replica.
  ListSigners again = Open();
  SP_ASSERT_OK_AND_ASSIGN(const auto same, again.Ensure("a"));
  EXPECT_EQ(same, a);
  SP_ASSERT_OK_AND_ASSIGN(const std::string signature,
                          again.Sign(a[0], SignedFileDigest::kSha512, "text"));
  EXPECT_TRUE(VerifySignedFile("text", SignedFileDigest::kSha512, signature,
                               a[0].certificate_der));
  ListSigners stranger = Open(std::string(64, 'x'));
  EXPECT_THAT(stranger.Sign(a[0], SignedFileDigest::kSha1, "text"),
              HasReason("KEY_UNREADABLE"));
}

TEST_F(ListSignersTest, TheirLifeIsThatOfTheConfiguration) {
  for (const auto& [tenant, lifetime, days] :
       {std::tuple("a", absl::ZeroDuration(), 5 * 365),
        std::tuple("b", absl::Hours(24) * 30, 30)}) {
    ListSigners::Options options;
    options.wrapping = Secret::CopyOf(std::string(64, 'k'));
    options.lifetime = lifetime;
    ListSigners signers(std::move(options), *capf_.authority, *capf_.ledger);
    SP_ASSERT_OK_AND_ASSIGN(const auto made, signers.Ensure(tenant));
    const auto info = ParseCertificate(AsBytes(made[0].certificate_der));
    ASSERT_TRUE(info.ok());
    EXPECT_EQ(info->not_after - info->not_before,
              absl::Hours(24) * days - absl::Seconds(1));
  }
}

TEST_F(ListSignersTest, AFreshOneIsMadeOnceUntilItIsUsed) {
  ListSigners signers = Open();
  SP_ASSERT_OK_AND_ASSIGN(const ListSigner fresh, signers.MakeFresh("a"));
  EXPECT_EQ(fresh.id, "sast-3");
  EXPECT_EQ(fresh.state, ListSignerState::kFresh);
  EXPECT_THAT(fresh.certificate_der, Not(testing::IsEmpty()));
  SP_ASSERT_OK_AND_ASSIGN(const ListSigner again, Open().MakeFresh("a"));
  EXPECT_EQ(again, fresh);
}

// A process that dies between key and certificate: the next one certifies the
// key that is there.
TEST_F(ListSignersTest, AKeyWithoutItsCertificateGetsIt) {
  ListSigner half;
  half.tenant = "a";
  half.id = "sast-1";
  half.state = ListSignerState::kSigning;
  SP_ASSERT_OK_AND_ASSIGN(
      const FileSigner::NewKey key,
      FileSigner::Make(kListSignerBits, Secret::CopyOf(std::string(64, 'k'))));
  half.key_pem = key.encrypted_pem;
  StoreChange change;
  change.insert_signers = {half};
  change.audit = {{.event = "LIST_SIGNER_KEY"}};
  ASSERT_THAT(capf_.ledger->Apply(change), IsOk());
  ListSigners signers = Open();
  SP_ASSERT_OK_AND_ASSIGN(const auto all, signers.Ensure("a"));
  ASSERT_THAT(all, SizeIs(3));
  bool found = false;
  for (const ListSigner& one : all) {
    if (one.id != "sast-1") continue;
    found = true;
    EXPECT_EQ(one.key_pem, half.key_pem);
    SP_ASSERT_OK_AND_ASSIGN(const std::string signature,
                            signers.Sign(one, SignedFileDigest::kSha1, "x"));
    EXPECT_TRUE(VerifySignedFile("x", SignedFileDigest::kSha1, signature,
                                 one.certificate_der));
  }
  EXPECT_TRUE(found);
}

// Phones of an older installation trust its keys: they are taken over.
TEST_F(ListSignersTest, KeysInFilesAreTakenOver) {
  FileSignerOptions options;
  options.key_file = capf_.folder + "/sast_1.key";
  options.wrapping = capf_.wrapping.Clone();
  options.create = true;
  options.create_rsa_bits = kListSignerBits;
  SP_ASSERT_OK_AND_ASSIGN(const auto key, FileSigner::Open(options));
  SP_ASSERT_OK_AND_ASSIGN(
      const CertificateRecord record,
      capf_.authority->Issue(
          {.tenant = "a",
           .profile = ProfileId::kCtlSigner,
           .subject = {.organization = "Example", .common_name = "SAST-1"},
           .names = {},
           .key = key->public_key(),
           .validity = absl::ZeroDuration(),
           .enrollment = {},
           .requester = "capf",
           .request_key = {},
           .request_sha256 = {}}));
  std::ofstream(capf_.folder + "/sast_1.pem")
      << CertificateToPem(AsBytes(record.der));
  ListSigners signers = Open();
  SP_ASSERT_OK_AND_ASSIGN(const auto all, signers.Ensure("a"));
  bool found = false;
  for (const ListSigner& one : all) found |= one.certificate_der == record.der;
  EXPECT_TRUE(found);
  SP_ASSERT_OK_AND_ASSIGN(const auto other, signers.Ensure("b"));
  for (const ListSigner& one : other) {
    EXPECT_NE(one.certificate_der, record.der);
  }
}

}  // namespace
}  // namespace sallyport::capf
