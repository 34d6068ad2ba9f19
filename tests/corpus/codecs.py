"""Good videos, codec by codec."""

from __future__ import annotations

from .kit import encoded

H264 = "-c:v libx264 -preset veryfast -crf 18 -pix_fmt yuv420p"
H265 = "-c:v libx265 -preset ultrafast -crf 18 -pix_fmt yuv420p -tag:v hvc1 -x265-params log-level=none"
_OPEN_GOP = "-g 12 -bf 3 -x264-params open-gop=1:scenecut=0"
# In real time VP8 takes the effort that the machine has left, and bytes differ.
VP8 = "-c:v libvpx -deadline good -cpu-used 5 -crf 10 -b:v 1M"
VP9 = "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -crf 20 -b:v 0 -pix_fmt yuv420p"
_HIDDEN = "-deadline good -cpu-used 5 -auto-alt-ref 1 -lag-in-frames 16 -b:v 1M -pix_fmt yuv420p"
_PYRAMID = "-x264-params b-pyramid=normal:b-adapt=0:scenecut=0"
_FIELDS = "-flags:v +ildct+ilme"

CODECS = [
    encoded("h264_baseline.mp4", f"{H264} -profile:v baseline"),
    encoded("h264_main.mp4", f"{H264} -profile:v main"),
    encoded("h264_high_b_frames.mp4", f"{H264} -bf 3 -x264-params scenecut=0"),
    encoded("h264_b_pyramid.mp4", f"{H264} -bf 7 {_PYRAMID}"),
    encoded("h264_open_gop.mp4", f"{H264} {_OPEN_GOP}"),
    encoded("h264_open_gop.ts", f"{H264} {_OPEN_GOP}"),
    encoded("h264_long_gop.mp4", f"{H264} -g 1000 -bf 0", num_frames=240),
    encoded("h264_all_intra.mov", f"{H264} -g 1"),
    encoded("h264_intra_refresh.mp4", f"{H264} -g 24 -x264-params intra-refresh=1"),
    encoded("h264_slices.mp4", f"{H264} -x264-params slices=4"),
    encoded("h264_lossless_444.mp4", "-c:v libx264 -preset veryfast -qp 0 -pix_fmt yuv444p"),
    encoded("h264_422.mp4", f"{H264} -pix_fmt yuv422p"),
    encoded("h264_10_bit.mp4", f"{H264} -pix_fmt yuv420p10le"),
    encoded("h264_gray.mp4", f"{H264} -pix_fmt gray"),
    encoded("h264_rgb.mkv", "-c:v libx264rgb -preset veryfast -crf 18 -pix_fmt rgb24"),
    encoded("h264_full_range.mp4", f"{H264} -pix_fmt yuvj420p -color_range pc"),
    encoded("h264_fields_first_top.mp4", f"{H264} {_FIELDS} -x264-params tff=1"),
    # AVI has no presentation times, and what a seek in such a file gives depends on the decoder's luck.
    encoded("h264_b_frames.avi", f"{H264} -bf 2"),
    encoded("h264_b_pyramid.avi", f"{H264} -bf 3 {_PYRAMID}"),
    encoded("h264_many_b_frames.avi", f"{H264} -bf 7 {_PYRAMID}"),
    encoded("hevc.mp4", H265),
    encoded("hevc_10_bit.mkv", f"{H265} -pix_fmt yuv420p10le"),
    encoded("hevc_open_gop.mp4", f"{H265} -g 12 -bf 3 -x265-params log-level=none:open-gop=1:scenecut=0"),
    encoded("hevc_hdr.mp4", f"{H265} -pix_fmt yuv420p10le -color_primaries bt2020 -color_trc smpte2084 "
            "-colorspace bt2020nc"),
    encoded("hevc.ts", H265),
    encoded("vp8.webm", VP8),
    encoded("vp8_hidden_frames.webm", f"-c:v libvpx {_HIDDEN}"),
    encoded("vp9.webm", VP9),
    encoded("vp9_hidden_frames.webm", f"-c:v libvpx-vp9 {_HIDDEN}"),
    encoded("vp9_alpha.webm", f"{VP9} -pix_fmt yuva420p"),
    encoded("vp9_10_bit.webm", f"{VP9} -pix_fmt yuv420p10le"),
    encoded("vp9.mp4", VP9),
    encoded("av1.mkv", "-c:v libsvtav1 -preset 8 -crf 10 -pix_fmt yuv420p -svtav1-params lp=1"),
    encoded("av1.mp4", "-c:v libaom-av1 -cpu-used 8 -usage realtime -crf 20 -pix_fmt yuv420p"),
    encoded("mpeg4_asp.avi", "-c:v mpeg4 -q:v 2 -bf 2 -flags:v +qpel+mv4 -vtag XVID"),
    encoded("mpeg4_xvid.mp4", "-c:v libxvid -q:v 2 -bf 0"),
    encoded("mpeg1.mpg", "-c:v mpeg1video -q:v 2 -bf 2 -g 12"),
    encoded("mpeg2.mpg", "-c:v mpeg2video -q:v 2 -bf 2 -g 12"),
    encoded("mpeg2_fields_top_first.ts", f"-c:v mpeg2video -q:v 2 -bf 2 {_FIELDS} -top 1"),
    encoded("mpeg2_fields_bottom_first.mpg", f"-c:v mpeg2video -q:v 2 {_FIELDS} -top 0"),
    encoded("mpeg2_422.mkv", "-c:v mpeg2video -q:v 2 -pix_fmt yuv422p"),
    encoded("mjpeg.avi", "-c:v mjpeg -q:v 2 -pix_fmt yuvj420p"),
    encoded("prores.mov", "-c:v prores_ks -profile:v 1 -pix_fmt yuv422p10le"),
    encoded("prores_alpha.mov", "-c:v prores_ks -profile:v 4 -pix_fmt yuva444p10le"),
    encoded("dnxhr.mov", "-c:v dnxhd -profile:v dnxhr_lb -pix_fmt yuv422p", size=(256, 192)),
    encoded("ffv1.mkv", "-c:v ffv1 -level 3 -pix_fmt yuv420p"),
    encoded("ffv1_16_bit_gray.mkv", "-c:v ffv1 -level 3 -pix_fmt gray16le"),
    encoded("huffyuv.avi", "-c:v huffyuv -pix_fmt yuv422p"),
    encoded("utvideo.avi", "-c:v utvideo -pix_fmt yuv422p"),
    encoded("theora.ogv", "-c:v libtheora -q:v 8 -pix_fmt yuv420p"),
    encoded("wmv2.wmv", "-c:v wmv2 -q:v 2"),
    encoded("msmpeg4.avi", "-c:v msmpeg4 -q:v 2"),
    encoded("flv1.flv", "-c:v flv -q:v 2"),
    encoded("h263.3gp", "-c:v h263 -q:v 2", size=(176, 144)),
    encoded("cinepak.avi", "-c:v cinepak", num_frames=24),
    encoded("cineform.mov", "-c:v cfhd -pix_fmt yuv422p10le"),
    encoded("jpeg2000.mov", "-c:v jpeg2000 -pix_fmt yuv420p"),
    encoded("quicktime_animation_alpha.mov", "-c:v qtrle -pix_fmt argb"),
    encoded("png_alpha.mov", "-c:v png -pix_fmt rgba"),
    encoded("raw.avi", "-c:v rawvideo -pix_fmt bgr24"),
    encoded("raw.mov", "-c:v rawvideo -pix_fmt uyvy422 -vtag 2vuy"),
    encoded("gif.gif", "-c:v gif", num_frames=50, fps="25", notes="GIF stores hundredths of a second"),
    encoded("dv.dv", "-c:v dvvideo -pix_fmt yuv420p", num_frames=12, fps="25", size=(720, 576), expectation="either",
            reason="no known container", notes="a camera's tape; no container around it"),
]  # fmt: skip
