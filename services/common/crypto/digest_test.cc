#include "services/common/crypto/digest.h"

#include <string>

#include "gtest/gtest.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/bytes/hex.h"

namespace sallyport {
namespace {

TEST(DigestTest, Rfc1321AppendixA5) {
  EXPECT_EQ(HexEncode(Md5({})), "d41d8cd98f00b204e9800998ecf8427e");
  EXPECT_EQ(HexEncode(Md5(AsBytes("message digest"))),
            "f96b697d7cb7938d525a2f31aaf161d0");
}

// FIPS 180-4 example values of "abc", as NIST publishes them.
TEST(DigestTest, FipsExamplesOfAbc) {
  const ByteSpan abc = AsBytes("abc");
  EXPECT_EQ(HexEncode(Sha1(abc)), "a9993e364706816aba3e25717850c26c9cd0d89d");
  EXPECT_EQ(HexEncode(Sha256(abc)),
            "ba7816bf8f01cfea414140de5dae2223"
            "b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(HexEncode(Sha512(abc)),
            "ddaf35a193617abacc417349ae204131"
            "12e6fa4e89a97ea20a9eeee64b55d39a"
            "2192992a274fc1a836ba3c23a3feebbd"
            "454d4423643ce80e2a9ac94fa54ca49f");
  EXPECT_EQ(HexEncode(Sha512_256(abc)),
            "53048e2681941ef99b2e29b76b4c7dab"
            "e4c2d0c634fc6d46e0e2f13107e7af23");
}

}  // namespace
}  // namespace sallyport
