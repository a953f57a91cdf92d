"""Delivery reports: is it one, whom did the mail not reach, is that for good?"""
