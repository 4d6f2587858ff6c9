// A request is refused or verified, and what is verified keeps its promises.

#include "services/capf/core/csr.h"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "services/capf/core/certificate_names.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using sallyport::capf::CheckSubjectName;
  using sallyport::capf::CsrFromPem;
  using sallyport::capf::VerifyCsr;
  const auto csr = VerifyCsr({data, size}, {});
  if (csr.ok()) {
    if (csr->key().spki().empty()) std::abort();
    if (!CheckSubjectName(csr->subject()).ok()) std::abort();
  }
  const auto der =
      CsrFromPem(std::string_view(reinterpret_cast<const char*>(data), size));
  if (der.ok()) {
    (void)VerifyCsr(sallyport::AsBytes(*der), {}).ok();
  }
  return 0;
}
