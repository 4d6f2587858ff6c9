#include "services/common/crypto/hmac.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <string>

#include "gtest/gtest.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/bytes/hex.h"

namespace sallyport {
namespace {

struct Case {
  const char* name;
  std::string key;
  std::string data;
  const char* sha1;    // nullptr: the source has none
  const char* sha256;  // nullptr: the source has none
};

class HmacTest : public testing::TestWithParam<Case> {};

TEST_P(HmacTest, MatchesThePublishedVector) {
  const ByteSpan key = AsBytes(GetParam().key);
  const ByteSpan data = AsBytes(GetParam().data);
  if (GetParam().sha1 != nullptr) {
    EXPECT_EQ(HexEncode(HmacSha1(key, data)), GetParam().sha1);
  }
  if (GetParam().sha256 != nullptr) {
    EXPECT_EQ(HexEncode(HmacSha256(key, data)), GetParam().sha256);
  }
}

// SHA-1: RFC 2202 section 3. SHA-256: RFC 4231 section 4.
INSTANTIATE_TEST_SUITE_P(
    Vectors, HmacTest,
    testing::Values(
        Case{"Case1", std::string(20, '\x0b'), "Hi There",
             "b617318655057264e28bc0b6fb378c8ef146be00",
             "b0344c61d8db38535ca8afceaf0bf12b"
             "881dc200c9833da726e9376c2e32cff7"},
        Case{"Case2", "Jefe", "what do ya want for nothing?",
             "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79",
             "5bdcc146bf60754e6a042426089575c7"
             "5a003f089d2739839dec58b964ec3843"},
        Case{"Case3", std::string(20, '\xaa'), std::string(50, '\xdd'),
             "125d7342b9ac11cd91a39af48aa17b4f63f175d3",
             "773ea91e36800e46854db8ebd09181a7"
             "2959098b3ef8c122d9635514ced565fe"},
        Case{"Rfc2202Case6", std::string(80, '\xaa'),
             "Test Using Larger Than Block-Size Key - Hash Key First",
             "aa4ae5e15272d00e95705637ce8a3b55ed402112", nullptr},
        Case{"Rfc4231Case6", std::string(131, '\xaa'),
             "Test Using Larger Than Block-Size Key - Hash Key First", nullptr,
             "60e431591ee0b67f0d8a26aacbf5b77f"
             "8e0bc6213728c5140546040f0ee37f54"}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(HmacPartsTest, EqualsTheWhole) {
  const ByteSpan key = AsBytes("key");
  EXPECT_EQ(HmacSha1(key, {AsBytes("ab"), AsBytes(""), AsBytes("cde")}),
            HmacSha1(key, AsBytes("abcde")));
  EXPECT_EQ(HmacSha256(key, {AsBytes("ab"), AsBytes("cde")}),
            HmacSha256(key, AsBytes("abcde")));
}

// Against BoringSSL's own, at every key length around the block size.
TEST(HmacOwnImplementationTest, AgreesWithBoringSslAtEveryKeyLength) {
  const std::string data(200, 'd');
  for (size_t length = 0; length <= 200; ++length) {
    const std::string key(length, 'k');
    uint8_t out[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    ASSERT_NE(HMAC(EVP_sha256(), key.data(), key.size(), AsBytes(data).data(),
                   data.size(), out, &size),
              nullptr);
    EXPECT_EQ(HexEncode(HmacSha256(AsBytes(key), AsBytes(data))),
              HexEncode(ByteSpan(out, size)));
    ASSERT_NE(HMAC(EVP_sha1(), key.data(), key.size(), AsBytes(data).data(),
                   data.size(), out, &size),
              nullptr);
    EXPECT_EQ(HexEncode(HmacSha1(AsBytes(key), AsBytes(data))),
              HexEncode(ByteSpan(out, size)));
  }
}

}  // namespace
}  // namespace sallyport
