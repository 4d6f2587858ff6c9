#include "services/common/pki/parsed_certificate.h"

#include <cstddef>
#include <cstdint>

#include "services/common/bytes/byte_span.h"
#include "services/common/pki/path_verifier.h"

// Any octets as certificate, anchor and list; a certificate that can be read
// goes through the whole check.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const sallyport::ByteSpan input(data, size);
  const auto list = sallyport::ParseWholeCrl(input);
  const auto certificate = sallyport::ParseWholeCertificate(input);
  if (!certificate.ok()) return 0;
  const auto verifier =
      sallyport::PathVerifier::Create({sallyport::ToString(input)});
  if (!verifier.ok()) __builtin_trap();  // it was read once
  sallyport::PathQuery query;
  query.leaf = *certificate;
  query.others = {*certificate};
  if (list.ok()) query.lists = {*list};
  query.now = (*certificate)->not_after;
  sallyport::PathRules rules;
  rules.strict_form = (size & 1) != 0;
  rules.revocation = sallyport::RevocationRule::kHard;
  (*verifier)->Verify(query, rules);
  return 0;
}
