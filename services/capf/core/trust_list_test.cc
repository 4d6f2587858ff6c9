#include "services/capf/core/trust_list.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>

#include "services/capf/core/test_trust_list.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/status/error_reason.h"

namespace sallyport::capf {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class TrustListTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    signer_ = new TestIdentity(NewTestIdentity("CTL-signer", 0xb26c8f01));
    manager_ = new TestIdentity(NewTestIdentity("cm1.example.test", 0x7a));
    other_ = new TestIdentity(NewTestIdentity("other", 0x99));
  }
  static void TearDownTestSuite() {
    delete signer_;
    delete manager_;
    delete other_;
  }

  static TrustList Sample() {
    TrustList list;
    list.header.file_name = "CTLFile.tlv";
    list.header.timestamp = 1700000000;
    list.records = {TestRecord(*signer_, TrustListRole::kSast, ""),
                    TestRecord(*manager_, TrustListRole::kCcmTftp),
                    TestRecord(*other_, TrustListRole::kCapf)};
    return list;
  }

  static std::string ReasonFor(const std::string& file) {
    const auto verified = VerifyTrustList(AsBytes(file));
    return verified.ok() ? "" : ReasonOf(verified.status());
  }

  static TestIdentity* signer_;
  static TestIdentity* manager_;
  static TestIdentity* other_;
};

TestIdentity* TrustListTest::signer_ = nullptr;
TestIdentity* TrustListTest::manager_ = nullptr;
TestIdentity* TrustListTest::other_ = nullptr;

TEST_F(TrustListTest, VerifiesWithEveryDigest) {
  for (const auto digest : {SignedFileDigest::kSha1, SignedFileDigest::kSha256,
                            SignedFileDigest::kSha512}) {
    TrustList list = Sample();
    list.header.digest = digest;
    const std::string file = SignedTestList(list, *signer_);
    const auto verified = VerifyTrustList(AsBytes(file));
    ASSERT_TRUE(verified.ok()) << verified.status();
    EXPECT_EQ(verified->list.records, list.records);
    EXPECT_EQ(verified->list.header.digest, digest);
    // What was read is written again to the octet.
    EXPECT_EQ(*WriteTrustList(verified->list), file);
  }
}

TEST_F(TrustListTest, NamesAreMostSpecificFirst) {
  EXPECT_EQ(TestRecord(*signer_, TrustListRole::kSast).subject,
            "CN=CTL-signer;O=Example;C=XX");
}

// Published files (research/pki.md section 1.7): a call manager's record in a
// non-secure cluster has 33 octets for an address of 12 characters.
TEST_F(TrustListTest, NonSecureRecordHasThePublishedLength) {
  const TrustListRecord bare = WithoutCertificate(
      TestRecord(*manager_, TrustListRole::kCcmTftp, "10.48.47.153"));
  EXPECT_EQ(WriteTrustListRecord(bare)->size(), 33u);

  TrustList list = Sample();
  EXPECT_EQ(list.cluster_mode(), ClusterSecurityMode::kMixed);
  list.records[1] = bare;
  EXPECT_EQ(list.cluster_mode(), ClusterSecurityMode::kNonSecure);
  EXPECT_EQ(ReasonFor(SignedTestList(list, *signer_)), "");
}

// CUC-85: lengths of 4 and 16 are read, any other is refused.
TEST_F(TrustListTest, AddressLengths) {
  for (const size_t size : {4, 16}) {
    TrustList list = Sample();
    list.records[1].ip_address = std::string(size, '\x0a');
    const std::string file = SignedTestList(list, *signer_);
    const auto parsed = ParseTrustList(AsBytes(file));
    ASSERT_TRUE(parsed.ok());
    EXPECT_EQ(parsed->list.records[1].ip_address.size(), size);
  }
  TrustList list = Sample();
  list.records[1].ip_address = "12345";
  EXPECT_EQ(ReasonOf(WriteTrustListRecord(list.records[1]).status()),
            "RECORD_INVALID");

  list = Sample();
  list.records.back().ip_address.clear();
  std::string file = SignedTestList(list, *signer_);
  const std::string element("\x0a\x00\x05\x01\x02\x03\x04\x05", 8);
  const size_t record_at =
      file.size() - WriteTrustListRecord(list.records.back())->size();
  file += element;
  const size_t length = file.size() - record_at;
  file[record_at + 3] = static_cast<char>(length >> 8);
  file[record_at + 4] = static_cast<char>(length);
  EXPECT_EQ(ReasonFor(file), "ELEMENT_INVALID");
}

TEST_F(TrustListTest, EveryChangedOctetIsNoticed) {
  const std::string file = SignedTestList(Sample(), *signer_);
  std::mt19937 random(1);
  for (int i = 0; i < 12000; ++i) {
    std::string broken = file;
    const size_t at = random() % broken.size();
    broken[at] = static_cast<char>(broken[at] ^ (1 + random() % 255));
    if (random() % 4 == 0) broken.resize(random() % broken.size());
    EXPECT_NE(ReasonFor(broken), "") << "octet " << at;
  }
}

TEST_F(TrustListTest, SignerMustBeInTheList) {
  TrustList list = Sample();
  EXPECT_EQ(ReasonFor(SignedTestList(list, *other_)), "SIGNER_NOT_IN_LIST");
  list.records[0].role = TrustListRole::kCapf;
  EXPECT_EQ(ReasonFor(SignedTestList(list, *signer_)), "SIGNER_NOT_IN_LIST");
}

TEST_F(TrustListTest, AnotherKeysSignatureIsWrong) {
  TrustList list = Sample();
  const std::string good = SignedTestList(list, *signer_);
  const auto parsed = ParseTrustList(AsBytes(good));
  ASSERT_TRUE(parsed.ok());
  TrustList forged = parsed->list;
  forged.records.push_back(TestRecord(*other_, TrustListRole::kSast));
  const auto stolen = ParseTrustList(AsBytes(SignedTestList(forged, *other_)));
  ASSERT_TRUE(stolen.ok());
  forged.header.signature = stolen->list.header.signature;
  EXPECT_EQ(ReasonFor(*WriteTrustList(forged)), "SIGNATURE_WRONG");
}

TEST_F(TrustListTest, RecordsSayWhatTheirCertificatesSay) {
  TrustList list = Sample();
  list.records[1].serial = "\x55";
  EXPECT_EQ(ReasonFor(SignedTestList(list, *signer_)), "RECORD_MISMATCH");
  list = Sample();
  list.records[1].public_key = list.records[2].public_key;
  EXPECT_EQ(ReasonFor(SignedTestList(list, *signer_)), "RECORD_MISMATCH");
  list = Sample();
  list.records[1].certificate = "no certificate";
  EXPECT_EQ(ReasonFor(SignedTestList(list, *signer_)), "RECORD_MISMATCH");
}

TEST_F(TrustListTest, ThreeSignersAreTooMany) {
  TrustList list = Sample();
  list.records.push_back(TestRecord(*manager_, TrustListRole::kSast));
  EXPECT_EQ(ReasonFor(SignedTestList(list, *signer_)), "");
  list.records.push_back(TestRecord(*other_, TrustListRole::kSast));
  EXPECT_EQ(ReasonFor(SignedTestList(list, *signer_)), "TOO_MANY_SIGNERS");
}

// A phone could not tell them apart.
TEST_F(TrustListTest, OneSerialNumberIsOneCertificate) {
  const TestIdentity one = NewTestIdentity("cm9.example.test", 99);
  const TestIdentity two = NewTestIdentity("cm9.example.test", 99);
  TrustList list = Sample();
  list.records.push_back(TestRecord(one, TrustListRole::kCcm));
  list.records.push_back(TestRecord(one, TrustListRole::kTftp));
  EXPECT_EQ(ReasonFor(SignedTestList(list, *signer_)), "");
  list.records.push_back(TestRecord(two, TrustListRole::kCcm));
  EXPECT_EQ(ReasonFor(SignedTestList(list, *signer_)), "SERIAL_DUPLICATE");
}

TEST_F(TrustListTest, AFileWithoutRecordsIsNone) {
  TrustList list = Sample();
  list.records.clear();
  EXPECT_EQ(ReasonFor(SignedTestList(list, *signer_)), "RECORD_MISSING");
}

TEST_F(TrustListTest, DifferencesAreTold) {
  const TrustList left = Sample();
  EXPECT_THAT(DifferencesOf(left, left), IsEmpty());
  TrustList right = Sample();
  right.header.timestamp = 1700000001;
  right.records[1].certificate.clear();
  right.records[2] = TestRecord(*other_, TrustListRole::kTvs);
  EXPECT_THAT(
      DifferencesOf(left, right),
      ElementsAre(HasSubstr("timestamp \"1700000000\" / \"1700000001\""),
                  HasSubstr("only in the first: CAPF"),
                  HasSubstr("differs: CCM+TFTP cm1.example.test serial 7a"),
                  HasSubstr("only in the second: TVS")));
}

}  // namespace
}  // namespace sallyport::capf
