#include "services/common/dns/dns_reply.h"

#include <cstddef>
#include <cstdint>

#include "services/common/status/check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using sallyport::DnsType;
  for (const DnsType type :
       {DnsType::kA, DnsType::kAaaa, DnsType::kSrv, DnsType::kNaptr}) {
    const sallyport::DnsAnswer answer =
        sallyport::ReadDnsReply(sallyport::ByteSpan(data, size), type);
    SP_CHECK(answer.addresses.size() + answer.services.size() +
                 answer.pointers.size() <=
             64);
  }
  return 0;
}
