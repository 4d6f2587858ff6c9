#include "services/capf/core/capf_message.h"

#include <string>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "gtest/gtest.h"

namespace sallyport::capf {
namespace {

std::string Hex(std::string_view spaced) {
  return absl::HexStringToBytes(
      absl::StrReplaceAll(std::string(spaced), {{" ", ""}, {"\n", ""}}));
}

absl::Span<const uint8_t> Span(const std::string& bytes) {
  return {reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()};
}

std::string SpkiHex() {
  std::string hex;
  for (int i = 0; i < 294; ++i) absl::StrAppend(&hex, "5a");
  return hex;
}

CapfMessage Make(CapfOpcode opcode) {
  CapfMessage message;
  message.opcode = opcode;
  message.session_id = 1;
  return message;
}

// Transcripts of research/pki.md 2.6; each must read and write to the byte.
struct Transcript {
  const char* name;
  std::string hex;
  CapfMessage message;
};

std::vector<Transcript> Transcripts() {
  std::vector<Transcript> all;
  {
    CapfMessage m = Make(CapfOpcode::kAuthRequest);
    m.protocol_version = 3;
    m.auth_type = CapfAuthType::kNone;
    all.push_back(
        {"OpenServerHello", "55 01 00000001 0008 070001 03 080001 00", m});
    m.auth_type.reset();
    all.push_back({"CallManagerHello", "55 01 00000001 0004 070001 03", m});
  }
  {
    CapfMessage m = Make(CapfOpcode::kAuthResponse);
    m.reason = 1;
    m.protocol_version = 3;
    m.authentication_string = "123456";
    m.device_name = "SEP58971ECC97C1";
    all.push_back({"PhoneAuthResponse",
                   "55 02 00000001 0025 010001 01 070001 03 0b0007 "
                   "31323334353600 0d0010 53455035383937314543433937433100",
                   m});
  }
  {
    CapfMessage m = Make(CapfOpcode::kKeyGenerateRequest);
    m.key_size = 2048;
    all.push_back(
        {"CallManagerKeyRequest", "55 03 00000001 0005 0a0002 0800", m});
    m.key_type = CapfKeyType::kRsa;
    all.push_back(
        {"RsaKeyRequest", "55 03 00000001 0009 0a0002 0800 110001 00", m});
    m.key_size.reset();
    m.key_type = CapfKeyType::kEc;
    m.curve = CapfCurve::kP384;
    all.push_back(
        {"EcKeyRequest", "55 03 00000001 0008 110001 01 120001 01", m});
  }
  all.push_back({"InProgress", "55 11 00000001 0000",
                 Make(CapfOpcode::kRequestInProgress)});
  {
    CapfMessage m = Make(CapfOpcode::kKeyGenerateResponse);
    m.public_key = std::vector<uint8_t>(294, 0x5a);
    all.push_back({"KeyResponse",
                   absl::StrCat("55 04 00000001 0129 09 0126 ", SpkiHex()), m});
  }
  {
    CapfMessage m = Make(CapfOpcode::kStoreCertRequest);
    m.certificate_type = CapfCertificateType::kLsc;
    m.certificate = CapfCertificate{.type = CapfCertificateType::kLsc,
                                    .der = {0x30, 0x82, 0x01}};
    all.push_back({"Store",
                   "55 09 00000001 000f 030001 01 040008 010005 0001 308201",
                   m});
  }
  {
    CapfMessage m = Make(CapfOpcode::kStoreCertResponse);
    m.reason = 1;
    all.push_back({"StoreResponse", "55 0a 00000001 0004 010001 01", m});
  }
  for (const int reason : {0, 1, 7, 9}) {
    CapfMessage m = Make(CapfOpcode::kEndSession);
    m.reason = static_cast<uint8_t>(reason);
    all.push_back(
        {"End", absl::StrCat("55 0f 00000001 0004 010001 0", reason), m});
  }
  all.push_back(
      {"Fetch", "55 0b 00000001 0000", Make(CapfOpcode::kFetchCertRequest)});
  {
    CapfMessage m = Make(CapfOpcode::kFetchCertResponse);
    m.reason = 1;
    m.certificate =
        CapfCertificate{.type = CapfCertificateType::kMic, .der = {0x30}};
    all.push_back({"FetchResponse",
                   "55 0c 00000001 000d 010001 01 040006 010003 0002 30", m});
  }
  all.push_back(
      {"Delete", "55 0d 00000001 0000", Make(CapfOpcode::kDeleteCertRequest)});
  {
    CapfMessage m = Make(CapfOpcode::kDeleteCertResponse);
    m.reason = 1;
    all.push_back({"DeleteResponse", "55 0e 00000001 0004 010001 01", m});
  }
  return all;
}

TEST(CapfMessageTest, TranscriptsReadToTheByte) {
  for (const Transcript& t : Transcripts()) {
    SCOPED_TRACE(t.name);
    const std::string wire = Hex(t.hex);
    const auto parsed = ParseCapfMessage(Span(wire));
    ASSERT_TRUE(parsed.ok()) << parsed.status();
    ASSERT_TRUE(parsed->has_value());
    EXPECT_EQ((*parsed)->consumed, wire.size());
    EXPECT_TRUE((*parsed)->message == t.message);
  }
}

TEST(CapfMessageTest, TranscriptsWriteToTheByte) {
  for (const Transcript& t : Transcripts()) {
    SCOPED_TRACE(t.name);
    const auto wire = SerializeCapfMessage(t.message);
    ASSERT_TRUE(wire.ok()) << wire.status();
    EXPECT_EQ(absl::BytesToHexString(*wire),
              absl::BytesToHexString(Hex(t.hex)));
  }
}

// A softphone answers version 2, in another order and without a string.
TEST(CapfMessageTest, VersionTwoAnswerInItsOwnOrder) {
  const std::string wire =
      Hex("55 02 00000007 0012 070001 02 0d0007 43534631323300 010001 01");
  const auto parsed = ParseCapfMessage(Span(wire));
  ASSERT_TRUE(parsed.ok() && parsed->has_value());
  const CapfMessage& m = (*parsed)->message;
  EXPECT_EQ(m.session_id, 7u);
  EXPECT_EQ(m.protocol_version, 2);
  EXPECT_EQ(m.device_name, "CSF123");
  EXPECT_EQ(m.reason, 1);
  EXPECT_FALSE(m.authentication_string.has_value());
}

// Null-string mode: both forms are seen in the field (pki.md 13).
TEST(CapfMessageTest, EmptyStringIsASingleNul) {
  CapfMessage m = Make(CapfOpcode::kAuthResponse);
  m.authentication_string = "";
  const auto wire = SerializeCapfMessage(m);
  ASSERT_TRUE(wire.ok());
  EXPECT_EQ(*wire, Hex("55 02 00000001 0004 0b0001 00"));
  const std::string bare = Hex("55 02 00000001 0003 0b0000");
  const auto parsed = ParseCapfMessage(Span(bare));
  ASSERT_TRUE(parsed.ok() && parsed->has_value());
  EXPECT_EQ((*parsed)->message.authentication_string, "");
}

// The open server reads its 8-byte header with one recv (pki.md 2.9.8).
TEST(CapfMessageTest, EveryShortPrefixAsksForMore) {
  for (const Transcript& t : Transcripts()) {
    SCOPED_TRACE(t.name);
    const std::string wire = Hex(t.hex);
    for (size_t n = 0; n < wire.size(); ++n) {
      const auto parsed = ParseCapfMessage(Span(wire).first(n));
      ASSERT_TRUE(parsed.ok()) << n << " " << parsed.status();
      EXPECT_FALSE(parsed->has_value()) << n;
    }
  }
}

TEST(CapfMessageTest, TwoMessagesInOneReadAreTakenOneByOne) {
  const std::string wire =
      Hex("55 11 00000001 0000 55 0a 00000001 0004 010001 01");
  const auto first = ParseCapfMessage(Span(wire));
  ASSERT_TRUE(first.ok() && first->has_value());
  EXPECT_EQ((*first)->consumed, 8u);
  const auto second = ParseCapfMessage(Span(wire).subspan(8));
  ASSERT_TRUE(second.ok() && second->has_value());
  EXPECT_EQ((*second)->message.opcode, CapfOpcode::kStoreCertResponse);
}

TEST(CapfMessageTest, SudiAndBothSignaturesSurvive) {
  CapfMessage m = Make(CapfOpcode::kAuthResponse);
  m.certificate =
      CapfCertificate{.type = CapfCertificateType::kMic, .der = {0x30, 0x01}};
  m.sha1_signed_data = std::vector<uint8_t>{1, 2, 3};
  m.sha2_signed_data = CapfSignature{.digest_type = 3, .bytes = {4, 5}};
  m.sudi = CapfSudi{{6}, {7, 7}, {8, 8, 8}};
  m.digest_type = 3;
  m.reason_info = "why";
  const auto wire = SerializeCapfMessage(m);
  ASSERT_TRUE(wire.ok());
  const auto parsed = ParseCapfMessage(Span(*wire));
  ASSERT_TRUE(parsed.ok() && parsed->has_value()) << parsed.status();
  EXPECT_TRUE((*parsed)->message == m);
}

TEST(CapfMessageTest, UnknownTagsAreSkipped) {
  const std::string wire =
      Hex("55 0f 00000001 0018 05000201020c0001 ff 0e0000 0f000100 ee0001aa "
          "010001 01");
  const auto parsed = ParseCapfMessage(Span(wire));
  ASSERT_TRUE(parsed.ok() && parsed->has_value()) << parsed.status();
  EXPECT_EQ((*parsed)->message.reason, 1);
}

TEST(CapfMessageTest, PayloadsOfUnknownLayoutAreNotRead) {
  const std::string wire = Hex("55 13 00000001 0003 01ffff");
  const auto parsed = ParseCapfMessage(Span(wire));
  ASSERT_TRUE(parsed.ok() && parsed->has_value());
  EXPECT_EQ((*parsed)->message.opcode, CapfOpcode::kStatusRequest);
  EXPECT_FALSE((*parsed)->message.reason.has_value());
}

struct Refusal {
  const char* name;
  const char* hex;
  const char* message;
};

class CapfRefusalTest : public testing::TestWithParam<Refusal> {};

TEST_P(CapfRefusalTest, Refuses) {
  const std::string wire = Hex(GetParam().hex);
  const auto parsed = ParseCapfMessage(Span(wire), 8192);
  ASSERT_FALSE(parsed.ok());
  EXPECT_EQ(parsed.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(parsed.status().message(), GetParam().message);
}

INSTANTIATE_TEST_SUITE_P(
    All, CapfRefusalTest,
    testing::Values(
        Refusal{"Magic", "54", "not a CAPF message"},
        Refusal{"TlsHello", "160301", "not a CAPF message"},
        Refusal{"OpcodeZero", "5500", "unknown CAPF opcode"},
        Refusal{"OpcodeTooHigh", "5518", "unknown CAPF opcode"},
        Refusal{"OversizeAtOnce", "55 02 00000001 2001",
                "CAPF payload too long"},
        Refusal{"ElementHeaderCut", "55 02 00000001 0002 0100",
                "CAPF element runs past the payload"},
        Refusal{"ElementCut", "55 02 00000001 0004 010002 01",
                "CAPF element runs past the payload"},
        Refusal{"Twice", "55 02 00000001 0008 010001 01 010001 07",
                "CAPF element 1 comes twice"},
        Refusal{"UnknownEncodingTwice",
                "55 02 00000001 0008 050001 01 050001 07",
                "CAPF element 5 comes twice"},
        Refusal{"LongReason", "55 02 00000001 0005 010002 0101",
                "CAPF element 1 is malformed"},
        Refusal{"CertificateType", "55 02 00000001 0004 030001 03",
                "CAPF element 3 is malformed"},
        Refusal{"CertificateInnerTag",
                "55 02 00000001 0009 040006 020003 0001 30",
                "CAPF element 4 is malformed"},
        Refusal{"CertificateInnerLength",
                "55 02 00000001 0009 040006 010004 0001 30",
                "CAPF element 4 is malformed"},
        Refusal{"CertificateInnerKind",
                "55 02 00000001 0009 040006 010003 0003 30",
                "CAPF element 4 is malformed"},
        Refusal{"AuthType", "55 02 00000001 0004 080001 05",
                "CAPF element 8 is malformed"},
        Refusal{"KeySize", "55 03 00000001 0004 0a0001 08",
                "CAPF element 10 is malformed"},
        Refusal{"NulInString", "55 02 00000001 0006 0b0003 310032",
                "CAPF element 11 is malformed"},
        Refusal{"NulInName", "55 02 00000001 0006 0d0003 410042",
                "CAPF element 13 is malformed"},
        Refusal{"SudiWithoutCertificate", "55 02 00000001 0006 100003 010000",
                "CAPF element 16 is malformed"},
        Refusal{"SudiTwice", "55 02 00000001 0009 100006 000000 000000",
                "CAPF element 16 is malformed"},
        Refusal{"KeyType", "55 03 00000001 0004 110001 02",
                "CAPF element 17 is malformed"},
        Refusal{"Curve", "55 03 00000001 0004 120001 03",
                "CAPF element 18 is malformed"},
        Refusal{"SignatureTail", "55 02 00000001 0007 140004 03000000",
                "CAPF element 20 is malformed"}),
    [](const testing::TestParamInfo<Refusal>& info) {
      return info.param.name;
    });

TEST(CapfMessageTest, WriterRefusesWhatCannotBeSaid) {
  CapfMessage m = Make(CapfOpcode::kKeyGenerateResponse);
  m.public_key = std::vector<uint8_t>(kCapfMaxPayload, 1);
  EXPECT_FALSE(SerializeCapfMessage(m).ok());
  m.public_key = std::vector<uint8_t>(kCapfMaxPayload - 3, 1);
  EXPECT_TRUE(SerializeCapfMessage(m).ok());
  CapfMessage nul = Make(CapfOpcode::kAuthResponse);
  nul.device_name = std::string("A\0B", 3);
  EXPECT_FALSE(SerializeCapfMessage(nul).ok());
}

TEST(CapfMessageTest, EveryOpcodeHasAName) {
  for (int opcode = 1; opcode <= 23; ++opcode) {
    EXPECT_NE(CapfOpcodeName(static_cast<CapfOpcode>(opcode)), "") << opcode;
  }
  EXPECT_EQ(CapfOpcodeName(static_cast<CapfOpcode>(24)), "");
}

}  // namespace
}  // namespace sallyport::capf
