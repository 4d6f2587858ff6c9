#include "services/common/crypto/digest.h"

#include <openssl/md5.h>
#include <openssl/sha.h>

namespace sallyport {

Md5Digest Md5(ByteSpan data) {
  Md5Digest out;
  MD5(data.data(), data.size(), out.data());
  return out;
}

Sha1Digest Sha1(ByteSpan data) {
  Sha1Digest out;
  SHA1(data.data(), data.size(), out.data());
  return out;
}

Sha256Digest Sha256(ByteSpan data) {
  Sha256Digest out;
  SHA256(data.data(), data.size(), out.data());
  return out;
}

Sha512Digest Sha512(ByteSpan data) {
  Sha512Digest out;
  SHA512(data.data(), data.size(), out.data());
  return out;
}

Sha512_256Digest Sha512_256(ByteSpan data) {
  Sha512_256Digest out;
  SHA512_256(data.data(), data.size(), out.data());
  return out;
}

}  // namespace sallyport
