#include "services/capf/io/file_signer.h"

#include <sys/stat.h>

#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/capf/core/certificate_builder.h"
#include "services/capf/io/durable_file.h"
#include "services/capf/io/test_capf.h"
#include "services/common/crypto/secret.h"
#include "services/common/status/status_matchers.h"

namespace sallyport::capf {
namespace {

FileSignerOptions Options(const std::string& path, bool create,
                          std::string_view wrapping = "open sesame") {
  FileSignerOptions options;
  options.key_file = path;
  options.create = create;
  options.wrapping = Secret::CopyOf(wrapping);
  return options;
}

TEST(FileSignerTest, FirstStartMakesTheKeyAndLaterOnesFindIt) {
  const std::string path = NewTestFolder() + "/ca.key";
  EXPECT_THAT(FileSigner::Open(Options(path, false)),
              HasReason("KEY_NOT_FOUND"));
  SP_ASSERT_OK_AND_ASSIGN(const auto first,
                          FileSigner::Open(Options(path, true)));
  struct stat info = {};
  ASSERT_EQ(stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  SP_ASSERT_OK_AND_ASSIGN(const auto second,
                          FileSigner::Open(Options(path, true)));
  EXPECT_EQ(first->public_key().spki(), second->public_key().spki());
  EXPECT_EQ(first->public_key().kind(), KeyKind::kEcP256);

  SP_ASSERT_OK_AND_ASSIGN(const std::string signature,
                          second->Sign(AsBytes("data")));
  EXPECT_TRUE(VerifySignature(AsBytes("data"), SignatureAlgorithm::kEcdsaSha256,
                              AsBytes(signature), first->public_key()));
}

TEST(FileSignerTest, EncryptedFilesNeedWhatTheyAreEncryptedUnder) {
  const std::string path = NewTestFolder() + "/ca.key";
  SP_ASSERT_OK_AND_ASSIGN(const auto made,
                          FileSigner::Open(Options(path, true)));
  const std::string text = **ReadSmallFile(path);
  EXPECT_THAT(text, testing::StartsWith("-----BEGIN ENCRYPTED PRIVATE KEY"));
  SP_ASSERT_OK_AND_ASSIGN(const auto again,
                          FileSigner::Open(Options(path, false)));
  EXPECT_EQ(made->public_key().spki(), again->public_key().spki());
  EXPECT_THAT(FileSigner::Open(Options(path, false, "open barley")),
              HasReason("KEY_UNREADABLE"));
  EXPECT_THAT(FileSigner::Open(Options(path, false, "")),
              HasReason("KEY_UNREADABLE"));
}

TEST(FileSignerTest, NoKeyIsKeptOrReadInClear) {
  const std::string path = NewTestFolder() + "/ca.key";
  EXPECT_THAT(FileSigner::Open(Options(path, true, "")),
              HasReason("KEY_IN_CLEAR"));
  EXPECT_EQ(*ReadSmallFile(path), std::nullopt);
  EXPECT_THAT(FileSigner::Make(0, Secret()), HasReason("KEY_IN_CLEAR"));
  SP_ASSERT_OK_AND_ASSIGN(const auto made,
                          FileSigner::Open(Options(path, true)));
  EXPECT_THAT(made->WrappedPem(Secret()), HasReason("KEY_IN_CLEAR"));
  SP_ASSERT_OK_AND_ASSIGN(const Secret clear, made->DangerousPem());
  ASSERT_THAT(ReplaceDurableFile(path, clear.DangerousText()), IsOk());
  for (const char* const wrapping : {"open sesame", ""}) {
    EXPECT_THAT(FileSigner::Open(Options(path, false, wrapping)),
                HasReason("KEY_IN_CLEAR"));
  }
  EXPECT_THAT(FileSigner::FromPem(std::string(clear.DangerousText()),
                                  Secret::CopyOf(std::string_view("x"))),
              HasReason("KEY_IN_CLEAR"));
  // Only who encrypts them reads them, and that one nothing else.
  SP_ASSERT_OK_AND_ASSIGN(const auto read,
                          FileSigner::DangerousFromClearPem(clear));
  EXPECT_EQ(read->public_key().spki(), made->public_key().spki());
  SP_ASSERT_OK_AND_ASSIGN(
      const std::string encrypted,
      made->WrappedPem(Secret::CopyOf(std::string_view("x"))));
  EXPECT_THAT(FileSigner::DangerousFromClearPem(
                  Secret::CopyOf(std::string_view(encrypted))),
              HasReason("KEY_UNREADABLE"));
}

// A root's key is opened elsewhere by its passphrase, which a person chose.
TEST(FileSignerTest, OpensslReadsWhatWeMake) {
  const std::string folder = NewTestFolder();
  for (const bool is_passphrase : {false, true}) {
    FileSignerOptions options =
        Options(folder + (is_passphrase ? "/root.key" : "/ca.key"), true);
    options.is_passphrase = is_passphrase;
    SP_ASSERT_OK_AND_ASSIGN(const auto made, FileSigner::Open(options));
    const std::string command = "openssl pkey -in " + options.key_file +
                                " -passin 'pass:open sesame' -noout";
    EXPECT_EQ(std::system(command.c_str()), 0) << command;
    // 600 000 is 0x0927c0.
    const std::string rounds = "openssl asn1parse -in " + options.key_file +
                               " | grep -q 'INTEGER *:0927C0'";
    EXPECT_EQ(std::system(rounds.c_str()) == 0, is_passphrase) << rounds;
  }
}

TEST(FileSignerTest, RefusesWhatIsOpenOrNoKey) {
  const std::string path = NewTestFolder() + "/ca.key";
  SP_ASSERT_OK_AND_ASSIGN(const auto made,
                          FileSigner::Open(Options(path, true)));
  ASSERT_EQ(chmod(path.c_str(), 0644), 0);
  EXPECT_THAT(FileSigner::Open(Options(path, false)), HasReason("FILE_MODE"));
  const std::string other = NewTestFolder() + "/other.key";
  for (const char* content :
       {"", "hello",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n"
        "-----END ENCRYPTED PRIVATE KEY-----\n"}) {
    ASSERT_THAT(ReplaceDurableFile(other, content), IsOk());
    EXPECT_THAT(FileSigner::Open(Options(other, true)),
                HasReason("KEY_UNREADABLE"));
    EXPECT_EQ(**ReadSmallFile(other), content);  // never overwritten
  }
}

// Whatever openssl makes of a key under a password.
TEST(FileSignerTest, OpensslKeysAreRead) {
  const std::string folder = NewTestFolder();
  const std::string path = folder + "/key";
  for (const char* command :
       {"openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384",
        "openssl ecparam -name prime256v1 -genkey -noout",
        "openssl ecparam -name prime256v1 -genkey",
        "openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048"}) {
    const std::string clear = folder + "/clear";
    ASSERT_EQ(std::system((std::string(command) + " 2>/dev/null >" + clear +
                           " && openssl pkcs8 -topk8 -v2 aes-256-cbc -passout "
                           "'pass:open sesame' -in " +
                           clear + " -out " + path + " && chmod 600 " + path)
                              .c_str()),
              0);
    SP_ASSERT_OK_AND_ASSIGN(const auto signer,
                            FileSigner::Open(Options(path, false)));
    SP_ASSERT_OK_AND_ASSIGN(const std::string signature,
                            signer->Sign(AsBytes("data")));
    EXPECT_TRUE(VerifySignature(
        AsBytes("data"), SignatureAlgorithmFor(signer->public_key().kind()),
        AsBytes(signature), signer->public_key()));
    SP_ASSERT_OK_AND_ASSIGN(const auto content, ReadSmallFile(clear));
    SP_ASSERT_OK_AND_ASSIGN(const auto same,
                            FileSigner::DangerousFromClearPem(
                                Secret::CopyOf(std::string_view(*content))));
    EXPECT_EQ(same->public_key().spki(), signer->public_key().spki());
  }
}

}  // namespace
}  // namespace sallyport::capf
