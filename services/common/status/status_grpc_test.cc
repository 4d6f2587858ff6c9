#include "services/common/status/status_grpc.h"

#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "gmock/gmock.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "gtest/gtest.h"
#include "services/common/log/log.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_matchers.h"

namespace sallyport {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(StatusGrpcTest, OkIsOkBothWays) {
  EXPECT_TRUE(ToGrpc(absl::OkStatus()).ok());
  EXPECT_THAT(FromGrpc(grpc::Status::OK), IsOk());
}

TEST(StatusGrpcTest, CarriesReasonAndViolations) {
  const absl::Status in =
      MakeError(absl::StatusCode::kInvalidArgument, "FIELD_INVALID", "bad",
                {{"lifetime", "is too long"}, {"tenant", "is required"}});
  const grpc::Status wire = ToGrpc(in);
  EXPECT_EQ(wire.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  google::rpc::Status details;
  ASSERT_TRUE(details.ParseFromString(wire.error_details()));
  EXPECT_EQ(details.code(), 3);
  google::rpc::ErrorInfo info;
  ASSERT_TRUE(details.details(0).UnpackTo(&info));
  EXPECT_EQ(info.reason(), "FIELD_INVALID");
  EXPECT_EQ(info.domain(), "sallyport");
  google::rpc::BadRequest bad;
  ASSERT_TRUE(details.details(1).UnpackTo(&bad));
  EXPECT_EQ(bad.field_violations(1).field(), "tenant");

  const absl::Status out = FromGrpc(wire);
  EXPECT_THAT(out, StatusIs(absl::StatusCode::kInvalidArgument, "bad"));
  EXPECT_THAT(out, HasReason("FIELD_INVALID"));
  EXPECT_THAT(FieldViolationsOf(out),
              ElementsAre(FieldViolation{"lifetime", "is too long"},
                          FieldViolation{"tenant", "is required"}));
}

TEST(StatusGrpcTest, WhatDoesNotFitIsCounted) {
  std::vector<FieldViolation> many;
  for (int i = 0; i < 1000; ++i) {
    many.push_back({"changes[" + std::to_string(i) + "]",
                    std::string(static_cast<size_t>(i % 90), 'x')});
  }
  const grpc::Status wire = ToGrpc(MakeError(absl::StatusCode::kInvalidArgument,
                                             "PLAN_INVALID", "bad", many));
  EXPECT_LT(wire.error_details().size(), 5500u);
  const std::vector<FieldViolation> out = FieldViolationsOf(FromGrpc(wire));
  ASSERT_GT(out.size(), 20u);
  for (size_t i = 0; i + 1 < out.size(); ++i) EXPECT_EQ(out[i], many[i]);
  EXPECT_EQ(out.back().field, many[out.size() - 1].field);
  EXPECT_EQ(out.back().description, "and " + std::to_string(1001 - out.size()) +
                                        " more that do not fit");
}

TEST(StatusGrpcTest, EveryCodeRoundTripsWithAReason) {
  for (int raw = 1; raw <= 16; ++raw) {
    const absl::StatusCode code = static_cast<absl::StatusCode>(raw);
    const absl::Status out = FromGrpc(ToGrpc(absl::Status(code, "text")));
    EXPECT_EQ(out.code(), code);
    EXPECT_THAT(out, HasReason(Not("")));
  }
}

TEST(StatusGrpcTest, InternalTextIsLoggedAndNotTold) {
  std::vector<std::string> lines;
  LogOptions options;
  options.writer = [&](std::string_view line) { lines.emplace_back(line); };
  InitLogging(options);
  const grpc::Status wire =
      ToGrpc(absl::InternalError("row 7 of table keys is torn"));
  InitLogging({});
  EXPECT_EQ(wire.error_message(), "internal error");
  EXPECT_THAT(wire.error_details(), Not(HasSubstr("torn")));
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_THAT(lines[0], HasSubstr("row 7 of table keys is torn"));
}

TEST(StatusGrpcTest, ARefusalWithoutDetailsKeepsItsReason) {
  const absl::Status out = FromGrpc(
      grpc::Status(grpc::StatusCode::PERMISSION_DENIED,
                   "CALLER_NOT_ACCEPTED: capf may not call this method"));
  EXPECT_THAT(out, StatusIs(absl::StatusCode::kPermissionDenied,
                            "capf may not call this method"));
  EXPECT_THAT(out, HasReason("CALLER_NOT_ACCEPTED"));
}

TEST(StatusGrpcTest, WhatIsNotOursIsNotBelieved) {
  google::rpc::ErrorInfo info;
  info.set_reason("SPOOFED");
  info.set_domain("elsewhere.test");
  google::rpc::Status details;
  details.add_details()->PackFrom(info);
  EXPECT_THAT(FromGrpc(grpc::Status(grpc::StatusCode::NOT_FOUND, "x",
                                    details.SerializeAsString())),
              HasReason(""));
  EXPECT_THAT(
      FromGrpc(grpc::Status(grpc::StatusCode::NOT_FOUND, "x", "garbage")),
      StatusIs(absl::StatusCode::kNotFound, "x"));
  EXPECT_THAT(FromGrpc(grpc::Status(static_cast<grpc::StatusCode>(99), "x")),
              StatusIs(absl::StatusCode::kUnknown, "x"));
  info.set_reason("lower case");
  info.set_domain("sallyport");
  details.mutable_details(0)->PackFrom(info);
  EXPECT_THAT(FromGrpc(grpc::Status(grpc::StatusCode::NOT_FOUND, "x",
                                    details.SerializeAsString())),
              HasReason(""));
}

}  // namespace
}  // namespace sallyport
