// Any text as a page token, and what becomes of one that was tampered with.

#include "services/dialplan/rpc/page_token.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "services/common/status/check.h"

// The first octet says where a good token is changed, and the second how.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const sallyport::dialplan::PageTokens tokens("key of the store");
  constexpr std::string_view kList = "tenants/t/peers/\n";
  // Nobody without the key makes a token.
  const auto read = tokens.Read(kList, text);
  SP_CHECK(read.ok() == text.empty());
  if (size < 3) return 0;

  const std::string_view last = text.substr(2, 400);
  std::string token = tokens.Make(kList, last);
  const auto same = tokens.Read(kList, token);
  SP_CHECK(same.ok() && *same == last);
  SP_CHECK(!tokens.Read("tenants/u/peers/\n", token).ok());
  char& changed = token[data[0] % token.size()];
  const char before = changed;
  changed = static_cast<char>(data[1]);
  const auto tampered = tokens.Read(kList, token);
  // Base64 has bits in its last symbol that stand for nothing, and white space
  // and padding are no part of it: what is read is then what was made.
  SP_CHECK(!tampered.ok() || *tampered == last || changed == before);
  return 0;
}
