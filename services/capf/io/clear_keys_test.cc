#include "services/capf/io/clear_keys.h"

#include <sys/stat.h>

#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/capf/core/authority_generation.h"
#include "services/capf/core/phone_cluster.h"
#include "services/capf/io/durable_file.h"
#include "services/capf/io/file_signer.h"
#include "services/capf/io/test_capf.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/crypto/secret.h"
#include "services/common/status/status_matchers.h"

namespace sallyport::capf {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;
using ::testing::UnorderedElementsAre;

class ClearKeysTest : public testing::Test {
 protected:
  absl::StatusOr<std::vector<std::string>> Encrypt() {
    return EncryptKeyFiles({.folder = folder_,
                            .authority_key_file = folder_ + "/ca.key",
                            .root_key_file = folder_ + "/root.key"},
                           passphrase_, wrapping_);
  }
  // A key of the kind that is named, in clear; its public half.
  std::string Put(const std::string& name, std::string_view how) {
    const auto run = [](const std::string& command) {
      EXPECT_EQ(std::system(command.c_str()), 0) << command;
    };
    const std::string path = folder_ + "/" + name;
    run("umask 077; openssl " + std::string(how) + " 2>/dev/null >" + path);
    const auto content = ReadSmallFile(path);
    const auto key = FileSigner::DangerousFromClearPem(
        Secret::CopyOf(std::string_view(**content)));
    EXPECT_THAT(key, IsOk());
    return (*key)->public_key().spki();
  }
  std::string SpkiOf(const std::string& name, const Secret& secret) {
    const auto key = FileSigner::Open(
        {.key_file = folder_ + "/" + name, .wrapping = secret.Clone()});
    EXPECT_THAT(key, IsOk()) << name;
    return key.ok() ? (*key)->public_key().spki() : "";
  }
  std::string Text(const std::string& name) {
    return ReadSmallFile(folder_ + "/" + name)->value_or("");
  }

  static constexpr std::string_view kEc =
      "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256";
  static constexpr std::string_view kRsa =
      "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048";
  static constexpr std::string_view kSec1 = "ecparam -name secp384r1 -genkey";

  TestCapf capf_{NewTestFolder()};
  const std::string folder_ = NewTestFolder();
  const Secret passphrase_ = Secret::CopyOf(std::string_view("open sesame 1"));
  const Secret wrapping_ = capf_.wrapping.Clone();
};

TEST_F(ClearKeysTest, EveryKeyOfOursIsEncryptedOnce) {
  const std::string names[] = {"ca.key",
                               "root.key",
                               "capf_listener.key",
                               "capf_strings.key",
                               "sast_1.key",
                               "server_default_signaling_edge_a.test.key"};
  std::vector<std::string> before;
  for (const std::string& name : names) {
    before.push_back(Put(name, name == "ca.key"       ? kSec1
                               : name == "sast_1.key" ? kRsa
                                                      : kEc));
  }
  // Whose it is, is not known.
  const std::string other = Put("other.key", kEc);
  EXPECT_THAT(Encrypt(),
              IsOkAndHolds(UnorderedElementsAre(
                  folder_ + "/" + names[0], folder_ + "/" + names[1],
                  folder_ + "/" + names[2], folder_ + "/" + names[3],
                  folder_ + "/" + names[4], folder_ + "/" + names[5])));
  std::vector<std::string> texts;
  for (size_t i = 0; i < before.size(); ++i) {
    EXPECT_EQ(SpkiOf(names[i], i == 1 ? passphrase_ : wrapping_), before[i]);
    EXPECT_THAT(Text(names[i]), StartsWith("-----BEGIN ENCRYPTED PRIVATE KEY"));
    struct stat info = {};
    ASSERT_EQ(stat((folder_ + "/" + names[i]).c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777, 0600u);
    texts.push_back(Text(names[i]));
  }
  EXPECT_THAT(Text("other.key"), StartsWith("-----BEGIN PRIVATE KEY"));
  // Whoever died after some of them has nothing to do for those.
  EXPECT_THAT(Encrypt(), IsOkAndHolds(ElementsAre()));
  for (size_t i = 0; i < texts.size(); ++i) EXPECT_EQ(Text(names[i]), texts[i]);
}

TEST_F(ClearKeysTest, KeysUnderThePassphraseItselfAreTakenOver) {
  for (const char* const name : {"ca.key", "capf_strings.key"}) {
    ASSERT_THAT(FileSigner::Open({.key_file = folder_ + "/" + name,
                                  .wrapping = passphrase_.Clone(),
                                  .create = true,
                                  .is_passphrase = true}),
                IsOk());
  }
  const std::string ca = SpkiOf("ca.key", passphrase_);
  // They were not in clear.
  EXPECT_THAT(Encrypt(), IsOkAndHolds(ElementsAre()));
  EXPECT_EQ(SpkiOf("ca.key", wrapping_), ca);
}

TEST_F(ClearKeysTest, WhatCannotBeEncryptedIsNamedAndStays) {
  Put("capf_listener.key", kEc);
  ASSERT_EQ(chmod((folder_ + "/capf_listener.key").c_str(), 0644), 0);
  const std::string text = Text("capf_listener.key");
  EXPECT_THAT(Encrypt(), HasReason("FILE_MODE"));
  EXPECT_THAT(std::string(Encrypt().status().message()),
              HasSubstr("capf_listener.key"));
  ASSERT_EQ(chmod((folder_ + "/capf_listener.key").c_str(), 0600), 0);
  for (const char* const bad :
       {"", "hello",
        "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"}) {
    ASSERT_THAT(ReplaceDurableFile(folder_ + "/capf_listener.key", bad),
                IsOk());
    EXPECT_THAT(Encrypt(), HasReason("KEY_UNREADABLE"));
    EXPECT_EQ(Text("capf_listener.key"), bad);
  }
  // Another passphrase's.
  ASSERT_THAT(RemoveDurableFile(folder_ + "/capf_listener.key"), IsOk());
  ASSERT_THAT(
      FileSigner::Open({.key_file = folder_ + "/ca.key",
                        .wrapping = Secret::CopyOf(std::string_view("other")),
                        .create = true}),
      IsOk());
  EXPECT_THAT(Encrypt(), HasReason("KEY_UNREADABLE"));
}

// A process that dies as it writes a key leaves it beside.
TEST_F(ClearKeysTest, WhatWasLeftHalfWrittenIsRemoved) {
  for (const char* const name :
       {"ca.key.new.17", "capf_strings.key.new.Ab3xYz", "other.key.new.17"}) {
    Put(name, kEc);
  }
  // Somebody may write it now.
  EXPECT_THAT(Encrypt(), IsOk());
  EXPECT_NE(Text("ca.key.new.17"), "");
  ASSERT_EQ(std::system(("touch -d '2 minutes ago' " + folder_ + "/*").c_str()),
            0);
  EXPECT_THAT(Encrypt(), IsOk());
  EXPECT_EQ(Text("ca.key.new.17"), "");
  EXPECT_EQ(Text("capf_strings.key.new.Ab3xYz"), "");
  EXPECT_NE(Text("other.key.new.17"), "");
}

// Without a passphrase what opened the store's keys lay beside it.
TEST_F(ClearKeysTest, KeysInTheStoreAreTakenOver) {
  const Secret old = Secret::Take(std::string(64, 'o'));
  ListSigner signer;
  signer.tenant = "a";
  signer.id = "sast-1";
  signer.state = ListSignerState::kSigning;
  signer.key_pem = FileSigner::Make(0, old)->encrypted_pem;
  ListSigner retired = signer;
  retired.id = "sast-0";
  retired.tenant = "b";
  retired.key_pem.clear();
  ListSigner fresh = signer;
  fresh.id = "sast-2";
  fresh.key_pem = FileSigner::Make(0, wrapping_)->encrypted_pem;
  AuthorityGeneration authority;
  authority.authority = "second";
  authority.common_name = "Second";
  authority.generation = 1;
  authority.key_pem = FileSigner::Make(2048, old)->encrypted_pem;
  StoreChange change;
  change.insert_signers = {signer, retired, fresh};
  change.put_authorities = {authority};
  change.audit = {{.event = "TEST"}};
  ASSERT_THAT(capf_.ledger->Apply(change), IsOk());

  // It is not there: nothing is looked at.
  EXPECT_THAT(RewrapStoredKeys(folder_, wrapping_, *capf_.ledger), IsOk());
  EXPECT_EQ(capf_.store->ListAuthorities()->at(0).key_pem, authority.key_pem);
  // It opens nothing.
  ASSERT_THAT(ReplaceDurableFile(folder_ + "/store.key", std::string(64, 'x')),
              IsOk());
  EXPECT_THAT(RewrapStoredKeys(folder_, wrapping_, *capf_.ledger),
              HasReason("KEY_UNREADABLE"));
  EXPECT_EQ(capf_.store->ListAuthorities()->at(0).key_pem, authority.key_pem);

  ASSERT_THAT(ReplaceDurableFile(folder_ + "/store.key", old.DangerousText()),
              IsOk());
  const auto spki = [&](const std::string& pem, const Secret& secret) {
    const auto key = FileSigner::FromPem(pem, secret);
    EXPECT_THAT(key, IsOk());
    return key.ok() ? (*key)->public_key().spki() : "";
  };
  const std::string of_signer = spki(signer.key_pem, old);
  const std::string of_authority = spki(authority.key_pem, old);
  ASSERT_THAT(RewrapStoredKeys(folder_, wrapping_, *capf_.ledger), IsOk());
  EXPECT_EQ(Text("store.key"), "");
  SP_ASSERT_OK_AND_ASSIGN(const auto signers, capf_.store->ListSigners(""));
  ASSERT_EQ(signers.size(), 3u);
  for (const ListSigner& one : signers) {
    if (one.id == "sast-0") EXPECT_EQ(one.key_pem, "");
    if (one.id == "sast-1") EXPECT_EQ(spki(one.key_pem, wrapping_), of_signer);
    if (one.id == "sast-2") EXPECT_EQ(one.key_pem, fresh.key_pem);
  }
  EXPECT_EQ(spki(capf_.store->ListAuthorities()->at(0).key_pem, wrapping_),
            of_authority);
  // A process that died before it removed the file goes on from there.
  ASSERT_THAT(ReplaceDurableFile(folder_ + "/store.key", old.DangerousText()),
              IsOk());
  ASSERT_THAT(RewrapStoredKeys(folder_, wrapping_, *capf_.ledger), IsOk());
  EXPECT_EQ(Text("store.key"), "");
}

}  // namespace
}  // namespace sallyport::capf
