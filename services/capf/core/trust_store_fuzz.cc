#include "services/capf/core/trust_store.h"

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "services/common/status/check.h"

// What an operator imports: PEM, DER, PKCS #7, PKCS #12.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  namespace capf = ::sallyport::capf;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto certificates = capf::ReadCertificates(text, "secret");
  if (!certificates.ok()) return 0;
  SP_CHECK(!certificates->empty() && certificates->size() <= 10);
  // What was taken out is a certificate by itself, and the same one.
  for (const auto& der : *certificates) {
    const auto again = capf::ReadCertificates(der);
    SP_CHECK(again.ok() && again->size() == 1 && (*again)[0] == der);
  }
  return 0;
}
