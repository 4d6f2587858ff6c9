#include "services/capf/io/file_signer.h"

#include <sys/stat.h>

#include <cstdlib>
#include <fstream>

#include "gtest/gtest.h"
#include "services/capf/core/certificate_builder.h"
#include "services/capf/io/durable_file.h"
#include "services/capf/io/test_capf.h"
#include "services/common/status/status_matchers.h"

namespace sallyport::capf {
namespace {

FileSignerOptions Options(const std::string& path, bool create,
                          std::string_view passphrase = "") {
  FileSignerOptions options;
  options.key_file = path;
  options.create = create;
  options.passphrase = Secret::CopyOf(passphrase);
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

TEST(FileSignerTest, EncryptedFilesNeedTheirPassphrase) {
  const std::string path = NewTestFolder() + "/ca.key";
  SP_ASSERT_OK_AND_ASSIGN(const auto made,
                          FileSigner::Open(Options(path, true, "open sesame")));
  const std::string text = **ReadSmallFile(path);
  EXPECT_NE(text.find("BEGIN ENCRYPTED PRIVATE KEY"), std::string::npos);
  SP_ASSERT_OK_AND_ASSIGN(
      const auto again, FileSigner::Open(Options(path, false, "open sesame")));
  EXPECT_EQ(made->public_key().spki(), again->public_key().spki());
  EXPECT_THAT(FileSigner::Open(Options(path, false, "open barley")),
              HasReason("KEY_UNREADABLE"));
  EXPECT_THAT(FileSigner::Open(Options(path, false)),
              HasReason("KEY_UNREADABLE"));
  // The other way round: what should be encrypted must be.
  const std::string plain = NewTestFolder() + "/plain.key";
  SP_ASSERT_OK_AND_ASSIGN(const auto p, FileSigner::Open(Options(plain, true)));
  EXPECT_THAT(FileSigner::Open(Options(plain, false, "open sesame")),
              HasReason("KEY_UNREADABLE"));
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
        "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"}) {
    ASSERT_THAT(ReplaceDurableFile(other, content), IsOk());
    EXPECT_THAT(FileSigner::Open(Options(other, true)),
                HasReason("KEY_UNREADABLE"));
    EXPECT_EQ(**ReadSmallFile(other), content);  // never overwritten
  }
}

// What openssl makes and what we make are the same kind of file.
TEST(FileSignerTest, OpensslKeysAreRead) {
  const std::string folder = NewTestFolder();
  for (const char* command :
       {"openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -out ",
        "openssl ecparam -name prime256v1 -genkey -noout -out ",
        "openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out "}) {
    const std::string path = folder + "/key";
    ASSERT_EQ(
        std::system((std::string(command) + path + " 2>/dev/null").c_str()), 0);
    ASSERT_EQ(chmod(path.c_str(), 0600), 0);
    SP_ASSERT_OK_AND_ASSIGN(const auto signer,
                            FileSigner::Open(Options(path, false)));
    SP_ASSERT_OK_AND_ASSIGN(const std::string signature,
                            signer->Sign(AsBytes("data")));
    EXPECT_TRUE(VerifySignature(
        AsBytes("data"), SignatureAlgorithmFor(signer->public_key().kind()),
        AsBytes(signature), signer->public_key()));
  }
}

}  // namespace
}  // namespace sallyport::capf
