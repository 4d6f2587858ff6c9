#include "services/capf/core/der_parts.h"

#include <openssl/asn1.h>
#include <openssl/bytestring.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "gtest/gtest.h"
#include "services/common/bytes/byte_span.h"

namespace sallyport::capf {
namespace {

// As the library writes it.
std::string Nested(uint8_t tag, const std::string& content) {
  bssl::ScopedCBB cbb;
  CBB child;
  const bool ok = CBB_init(cbb.get(), 16) &&
                  CBB_add_asn1(cbb.get(), &child, tag) &&
                  AddBytes(&child, AsBytes(content));
  return TakeBytes(cbb.get(), ok);
}

std::string Element(uint8_t tag, const std::string& content) {
  const ByteSpan all = AsBytes(content);
  bssl::ScopedCBB cbb;
  const bool ok =
      CBB_init(cbb.get(), 16) && AddElement(cbb.get(), tag,
                                            {all.subspan(0, content.size() / 3),
                                             all.subspan(content.size() / 3)});
  return TakeBytes(cbb.get(), ok);
}

TEST(DerPartsTest, AnElementOfAnySizeIsAsTheLibraryWritesIt) {
  for (const size_t size : {0, 1, 0x7f, 0x80, 0xff, 0x100, 0x101, 0xffff}) {
    const std::string content(size, 'x');
    EXPECT_EQ(Element(V_ASN1_OCTET_STRING, content),
              Nested(V_ASN1_OCTET_STRING, content))
        << size;
    EXPECT_EQ(DerHeader(V_ASN1_OCTET_STRING, size).size() + size,
              Element(V_ASN1_OCTET_STRING, content).size());
  }
}

TEST(DerPartsTest, WhatIsTooLongIsRefused) {
  EXPECT_EQ(Element(V_ASN1_OCTET_STRING, std::string(0x10000, 'x')), "");
}

TEST(DerPartsTest, AlgorithmsAreThoseOfTheirObjectIdentifiers) {
  const auto written = [](const char* oid, bool null) {
    bssl::ScopedCBB cbb;
    CBB sequence, absent;
    const bool ok = CBB_init(cbb.get(), 16) &&
                    CBB_add_asn1(cbb.get(), &sequence, CBS_ASN1_SEQUENCE) &&
                    AddOid(&sequence, oid) &&
                    (!null || CBB_add_asn1(&sequence, &absent, CBS_ASN1_NULL));
    return TakeBytes(cbb.get(), ok);
  };
  EXPECT_EQ(AlgorithmIdentifier(SignatureAlgorithm::kEcdsaSha256),
            written("1.2.840.10045.4.3.2", false));
  EXPECT_EQ(AlgorithmIdentifier(SignatureAlgorithm::kEcdsaSha384),
            written("1.2.840.10045.4.3.3", false));
  EXPECT_EQ(AlgorithmIdentifier(SignatureAlgorithm::kEcdsaSha512),
            written("1.2.840.10045.4.3.4", false));
  EXPECT_EQ(AlgorithmIdentifier(SignatureAlgorithm::kRsaSha256),
            written("1.2.840.113549.1.1.11", true));
}

TEST(DerPartsTest, ObjectIdentifiersThatAreKeptAreAsTheLibraryReadsThem) {
  for (const std::string oid :
       {"2.5.29.14", "2.5.29.15", "2.5.29.17", "2.5.29.19", "2.5.29.31",
        "2.5.29.35", "2.5.29.37", "1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2",
        "1.3.6.1.5.5.7.3.5", "1.3.6.1.5.5.7.3.20"}) {
    bssl::ScopedCBB ours, theirs;
    CBB element;
    const bool ok = CBB_init(ours.get(), 16) && AddOid(ours.get(), oid);
    const bool read =
        CBB_init(theirs.get(), 16) &&
        CBB_add_asn1(theirs.get(), &element, CBS_ASN1_OBJECT) &&
        CBB_add_asn1_oid_from_text(&element, oid.data(), oid.size());
    EXPECT_EQ(TakeBytes(ours.get(), ok), TakeBytes(theirs.get(), read)) << oid;
  }
}

}  // namespace
}  // namespace sallyport::capf
