#include "services/capf/core/signed_file_header.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "services/common/bytes/byte_span.h"
#include "services/common/status/error_reason.h"

namespace sallyport::capf {
namespace {

using ::testing::HasSubstr;

SignedFileHeader Sample() {
  return {.version = {1, 2},
          .signer_version = std::nullopt,
          .signer_name = "CN=signer;O=Example",
          .signer_serial = std::string("\x12\x34\x56", 3),
          .signer_issuer = "CN=root;O=Example",
          .digest = SignedFileDigest::kSha1,
          .modulus_size = 128,
          .signature = std::string(128, 's'),
          .file_name = "CTLFile.tlv",
          .timestamp = 0x69540b16};
}

std::string Written(const SignedFileHeader& header) {
  const auto out = WriteSignedFileHeader(header);
  EXPECT_TRUE(out.ok()) << out.status();
  return out.value_or("");
}

std::string ReasonFor(const std::string& file) {
  const auto parsed = ParseSignedFileHeader(AsBytes(file));
  return parsed.ok() ? "" : ReasonOf(parsed.status());
}

// A published dump: signer 149 octets, RSA-1024, "CTLFile.tlv": 333, padded to
// 336 (research/pki.md section 1.2).
TEST(SignedFileHeaderTest, HasTheLengthOfThePublishedDump) {
  SignedFileHeader header = Sample();
  // Three heads and two NULs beside the texts and the serial number.
  header.signer_serial = std::string(8, '\x11');
  header.signer_name = std::string(65, 'n');
  header.signer_issuer = std::string(149 - 9 - 2 - 8 - 65, 'i');
  const std::string file = Written(header);
  EXPECT_EQ(file.size(), 336u);
  EXPECT_EQ(file.substr(333), "\x0d\x0d\x0d");
  EXPECT_EQ(AsBytes(file)[8] << 8 | AsBytes(file)[9], 336);
}

TEST(SignedFileHeaderTest, BeginsAsCallManagersWriteIt) {
  const std::string file = Written(Sample());
  EXPECT_EQ(file.substr(0, 5), std::string("\x01\x00\x02\x01\x02", 5));
  EXPECT_EQ(file.substr(5, 3), std::string("\x02\x00\x02", 3));
  EXPECT_EQ(file.substr(10, 1), "\x03");
  EXPECT_EQ(file.size() % 4, 0u);
}

TEST(SignedFileHeaderTest, IsReadAsItWasWritten) {
  for (const auto& version :
       {std::optional<FormatVersion>(), std::optional<FormatVersion>({1, 1})}) {
    for (const size_t modulus : {64, 128, 256, 512}) {
      for (const auto digest :
           {SignedFileDigest::kSha1, SignedFileDigest::kSha256,
            SignedFileDigest::kSha512}) {
        SignedFileHeader header = Sample();
        header.signer_version = version;
        header.modulus_size = modulus;
        header.signature = std::string(modulus, 'x');
        header.digest = digest;
        const std::string file = Written(header);
        const auto parsed = ParseSignedFileHeader(AsBytes(file + "payload"));
        ASSERT_TRUE(parsed.ok()) << parsed.status();
        EXPECT_EQ(parsed->header, header);
        EXPECT_EQ(parsed->layout.header_size, file.size());
        EXPECT_EQ(file.substr(parsed->layout.signature_begin + 3, modulus),
                  header.signature);
        EXPECT_EQ(parsed->layout.signature_end,
                  parsed->layout.signature_begin + 3 + modulus);
      }
    }
  }
}

TEST(SignedFileHeaderTest, UnsignedTextIsTheFileWithoutTheSignatureElement) {
  SignedFileHeader header = Sample();
  const std::string signed_file = Written(header);
  header.signature.clear();
  const std::string text = Written(header);
  const auto parsed = ParseSignedFileHeader(AsBytes(signed_file));
  ASSERT_TRUE(parsed.ok());
  std::string cut = signed_file.substr(0, parsed->layout.signature_begin);
  cut += signed_file.substr(parsed->layout.signature_end);
  EXPECT_EQ(text, cut);
}

// The open tool writes issuer before serial number; phones take both.
TEST(SignedFileHeaderTest, OrderWithinTheSignerDoesNotMatter) {
  const std::string file = Written(Sample());
  const std::string serial("\x05\x00\x03\x12\x34\x56", 6);
  const std::string issuer =
      std::string("\x06\x00\x12", 3) + "CN=root;O=Example" + std::string(1, 0);
  const size_t at = file.find(serial + issuer);
  ASSERT_NE(at, std::string::npos);
  std::string swapped = file;
  swapped.replace(at, serial.size() + issuer.size(), issuer + serial);
  const auto parsed = ParseSignedFileHeader(AsBytes(swapped));
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->header, Sample());
}

TEST(SignedFileHeaderTest, RefusesWhatCouldBeReadInTwoWays) {
  const std::string file = Written(Sample());
  const auto parsed = ParseSignedFileHeader(AsBytes(file));
  ASSERT_TRUE(parsed.ok());
  const std::string element12 =
      file.substr(parsed->layout.signature_begin, 3 + 128);

  std::string twice = file;
  twice.insert(parsed->layout.signature_end, element12);
  const size_t longer = file.size() + element12.size();
  twice[8] = static_cast<char>(longer >> 8);
  twice[9] = static_cast<char>(longer);
  EXPECT_EQ(ReasonFor(twice), "ELEMENT_DUPLICATE");

  std::string container = file;
  container[12] = static_cast<char>(container[12] + 1);
  EXPECT_EQ(ReasonFor(container), "LENGTH_MISMATCH");

  std::string modulus = file;
  const size_t code = modulus.find(std::string("\x0b\x00\x01\x01", 4));
  ASSERT_NE(code, std::string::npos);
  modulus[code + 3] = 2;
  EXPECT_EQ(ReasonFor(modulus), "LENGTH_MISMATCH");
  modulus[code + 3] = 4;
  EXPECT_EQ(ReasonFor(modulus), "ELEMENT_INVALID");

  std::string nul = file;
  const size_t text = nul.find("CN=signer");
  nul[text + 3] = '\0';
  EXPECT_EQ(ReasonFor(nul), "ELEMENT_INVALID");
}

TEST(SignedFileHeaderTest, RefusesEveryTruncation) {
  const std::string file = Written(Sample());
  for (size_t size = 0; size < file.size(); ++size) {
    EXPECT_EQ(ReasonFor(file.substr(0, size)), "HEADER_MALFORMED") << size;
  }
}

TEST(SignedFileHeaderTest, SaysWhere) {
  std::string file = Written(Sample());
  file[12] = static_cast<char>(file[12] + 1);
  const auto parsed = ParseSignedFileHeader(AsBytes(file));
  ASSERT_FALSE(parsed.ok());
  EXPECT_THAT(std::string(parsed.status().message()), HasSubstr("at offset"));
}

TEST(SignedFileHeaderTest, DoesNotWriteWhatCannotBeSaid) {
  SignedFileHeader header = Sample();
  header.modulus_size = 384;  // RSA-3072 has no code
  header.signature.clear();
  EXPECT_EQ(ReasonOf(WriteSignedFileHeader(header).status()), "HEADER_INVALID");
  header = Sample();
  header.signer_name = std::string("a\0b", 3);
  EXPECT_EQ(ReasonOf(WriteSignedFileHeader(header).status()), "HEADER_INVALID");
  header = Sample();
  header.signer_name = std::string(0x10000, 'n');
  EXPECT_EQ(ReasonOf(WriteSignedFileHeader(header).status()), "HEADER_INVALID");
}

}  // namespace
}  // namespace sallyport::capf
