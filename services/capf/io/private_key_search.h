// Looks for private keys in clear where only encrypted ones may be.

#ifndef SALLYPORT_SERVICES_CAPF_IO_PRIVATE_KEY_SEARCH_H_
#define SALLYPORT_SERVICES_CAPF_IO_PRIVATE_KEY_SEARCH_H_

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "services/common/crypto/secret.h"

namespace sallyport::capf {

// Thread-compatible.
class PrivateKeySearch {
 public:
  // The numbers of this key, PEM in clear, are looked for as well: octets,
  // hexadecimal, and either within the base64 of PEM.
  void Know(const Secret& clear_pem);
  // The same of every encrypted key in the PEM blocks of `text` that one of
  // `secrets` opens; how many were.
  size_t KnowEncrypted(const std::string& text,
                       const std::vector<const Secret*>& secrets);

  // What is wrong in `content`, one line each: PEM of a private key that is not
  // encrypted, the DER of PKCS #8, RFC 3447 and RFC 5915, and the numbers of
  // keys that are known.
  std::vector<std::string> Look(std::string_view content) const;
  // The same of every file below `folder`, with its name.
  std::vector<std::string> LookBelow(const std::string& folder) const;

 private:
  std::vector<std::string> numbers_;
};

// The PEM blocks of `text` whose label is `label`, with their delimiters.
std::vector<std::string> PemBlocks(std::string_view text,
                                   std::string_view label);

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_IO_PRIVATE_KEY_SEARCH_H_
