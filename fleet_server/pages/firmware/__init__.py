"""Firmware for cameras."""
